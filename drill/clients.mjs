// The real clients of the drill, as apps make them. Prints one line of JSON for each thing that a client is told.
// Input: DRILL_URL, and DRILL_CLIENTS, a list of {name, kind, table, filter, token}.
import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'

const url = process.env.DRILL_URL
const print = (client, event) => process.stdout.write(`${JSON.stringify({ client, ...event })}\n`)

/** supabase-js as it is, with a client_id. */
function stock({ name, table, filter, token }) {
  const client = createClient(url, token, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    accessToken: async () => token,
    realtime: {
      transport: WebSocket,
      params: { client_id: name },
      heartbeatIntervalMs: 3000,
      reconnectAfterMs: () => 50 + Math.random() * 400,
    },
  })
  client.channel('drill')
    .on('postgres_changes', { event: '*', schema: 'public', table, filter }, (change) => {
      print(name, { kind: 'row', writer: change.new.writer, number: change.new.number, errors: change.errors })
    })
    .on('system', {}, (system) => print(name, { kind: 'system', system }))
    .subscribe((status, error) => print(name, { kind: 'status', status, error: error?.message }))
}

const kinds = { 'supabase-js, client_id': stock }

for (const client of JSON.parse(process.env.DRILL_CLIENTS)) kinds[client.kind](client)
process.stdin.resume().on('end', () => process.exit()) // ends with whoever started it
