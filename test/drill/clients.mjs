// The real clients of the drill, as apps make them. Prints one line of JSON for each thing that a client is told.
// Input: DRILL_URL, and DRILL_CLIENTS, a list of {name, kind, bindings, token}.
import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'
import { resumable } from '../../clients/js/index.js'

const url = process.env.DRILL_URL
const print = (client, event) => process.stdout.write(`${JSON.stringify({ client, ...event })}\n`)

/** supabase-js, and its channel with the bindings, whose rows are printed. */
function follow({ name, bindings, token }, params) {
  const client = createClient(url, token, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    accessToken: async () => token,
    realtime: { transport: WebSocket, params, heartbeatIntervalMs: 3000, reconnectAfterMs: () => 50 + Math.random() * 400 },
  })
  const row = ({ new: { writer, number }, errors }) => print(name, { kind: 'row', writer, number, errors })
  return bindings.reduce((channel, binding) => channel.on('postgres_changes', binding, row), client.channel('drill'))
}

const subscribe = (channel, name) => channel.subscribe((status, error) => print(name, { kind: 'status', status, error: error?.message }))

const kinds = {
  /** As it is, with a client_id. */
  'supabase-js, client_id': (options) => {
    const channel = follow(options, { client_id: options.name })
      .on('system', {}, (system) => print(options.name, { kind: 'system', system }))
    subscribe(channel, options.name)
  },
  /** With our module. */
  'supabase-js, resumable': (options) => {
    const onResync = ({ reason, ...system }) => print(options.name, { kind: 'system', system: { ...system, message: `resync_required: ${reason}` } })
    subscribe(resumable(follow(options), { onResync }), options.name)
  },
}

for (const client of JSON.parse(process.env.DRILL_CLIENTS)) kinds[client.kind](client)
process.stdin.resume().on('end', () => process.exit()) // ends with whoever started it
