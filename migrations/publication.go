package migrations

// Publication is what the server reads realtime.messages by, as Supabase calls
// it.
const Publication = "supabase_realtime_messages_publication"
