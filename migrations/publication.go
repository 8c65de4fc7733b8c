package migrations

// Publication is what the server reads realtime.messages by, as Supabase calls
// it.
const Publication = "supabase_realtime_messages_publication"

// publicationMigration makes it.
const publicationMigration = "005_publication"
