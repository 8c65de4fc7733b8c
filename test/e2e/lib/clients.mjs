// The real clients, as apps make them. Each kind has the same few calls, so that a test can run with all.
import './native.mjs'
import { createClient } from '@supabase/supabase-js'
import { RealtimeClient as Realtime210 } from 'realtime-js-2.10'
import { RealtimeClient as Realtime211 } from 'realtime-js-2.11'
import { RealtimeClient as Realtime2117 } from 'realtime-js-2.11.7'
import WebSocket from 'ws'
import { anon } from './tokens.mjs'

/** supabase-js, newest: vsn 2.0.0. */
function newest(t, server, key, options) {
  const client = createClient(server.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { transport: WebSocket, ...options },
  })
  t.after(() => client.realtime.disconnect())
  return client
}

/** An old realtime-js: vsn 1.0.0. 2.10 forgets to listen on a transport that it is given, and finds ws by itself. */
const old = (Client, transport = {}) => (t, server, key, options = {}) => {
  const client = new Client(server.socket, { ...transport, ...options, params: { apikey: key, ...options.params } })
  client.setAuth(key)
  t.after(() => client.disconnect())
  return client
}

export const kinds = {
  'supabase-js 2.119': newest,
  'realtime-js 2.11': old(Realtime211, { transport: WebSocket }),
  'realtime-js 2.10': old(Realtime210),
}

/**
 * Those that join again by themselves after their connection was lost. realtime-js 2.11.9 to 2.11.15 do not, whatever the
 * server: on their way to a new connection they tear down the timers of their channels.
 */
export const rejoining = {
  'supabase-js 2.119': newest,
  'realtime-js 2.11.7': old(Realtime2117, { transport: WebSocket }),
  'realtime-js 2.10': kinds['realtime-js 2.10'],
}

/**
 * Has a client come back soon. Old ones join again at these intervals until they are answered, and may never be when answers
 * take longer: each try leaves the one before.
 */
export const soon = (kind = 'supabase-js 2.119') =>
  ({ reconnectAfterMs: kind.startsWith('supabase-js') ? () => 50 : (tries) => [50, 250][tries - 1] ?? 3_000 })

export const connect = (t, server, { kind = 'supabase-js 2.119', key = anon, options } = {}) =>
  ({ ...kinds, ...rejoining })[kind](t, server, key, options)

/** Subscribes; resolves when the client says SUBSCRIBED, rejects with what it says otherwise. */
export const subscribed = (channel) => new Promise((resolve, reject) => {
  channel.subscribe((status, error) => {
    if (status === 'SUBSCRIBED') resolve(channel)
    else if (status !== 'CLOSED') reject(Object.assign(error ?? new Error(status), { status }))
  })
})

/** Opens a channel with postgres_changes bindings and collects what they deliver. */
export async function listen(client, name, ...bindings) {
  const events = []
  let channel = client.channel(name)
  bindings.forEach((binding, i) => {
    channel = channel.on('postgres_changes', binding, (payload) => events.push({ ...payload, binding: i }))
  })
  await subscribed(channel)
  return { channel, events }
}
