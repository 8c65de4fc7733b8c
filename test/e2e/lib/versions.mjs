// The clients of docs/clients.md behind one face, so that one script tries all: each has channels that are joined with what they
// are to bring, and says and tracks.
import './native.mjs'
import { createClient as supabase119 } from '@supabase/supabase-js'
import { Presence as Presence17, Socket as Socket17 } from 'phoenix-1.7'
import { Presence as Presence18, Socket as Socket18 } from 'phoenix-1.8'
import { createClient as supabase39 } from 'supabase-js-2.39'
import { createClient as supabase49 } from 'supabase-js-2.49'
import { createClient as supabase58 } from 'supabase-js-2.58'
import { createClient as supabase75 } from 'supabase-js-2.75'
import { createClient as supabase90 } from 'supabase-js-2.90'
import { createClient as supabase106 } from 'supabase-js-2.106'
import WebSocket from 'ws'
import { subscribed } from './clients.mjs'

/** Tries to connect, or to join, again soon, and then not again before the first answer can be there. */
const soon = (tries) => [50, 250][tries - 1] ?? 3_000

class SupabaseChannel {
  constructor(client, topic, config) {
    this.client = client
    this.inner = client.channel(topic, { config })
  }

  rows(binding, f) { return this.on('postgres_changes', binding, (change) => f({ type: change.eventType, record: change.new })) }
  broadcasts(f) { return this.on('broadcast', { event: '*' }, f) }
  system(f) { return this.on('system', {}, f) }
  presence() { return this.on('presence', { event: 'sync' }, () => {}) }
  get present() { return this.inner.presenceState() }

  on(...args) {
    this.inner.on(...args)
    return this
  }

  async join() {
    await subscribed(this.inner)
    return this
  }

  say(event, payload, more = {}) { return this.inner.send({ type: 'broadcast', event, payload, ...more }) }
  track(meta) { return this.inner.track(meta) }
  leave() { return this.client.removeChannel(this.inner) }
}

/** 2.39 forgets to listen on a transport that it is given, and finds ws by itself. */
const supabase = (createClient, transport = { transport: WebSocket }) => (t, server, key, params = {}) => {
  const client = createClient(server.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { ...transport, params, reconnectAfterMs: soon },
  })
  t.after(() => client.realtime.disconnect())
  return {
    client,
    channel: (topic, config = {}) => new SupabaseChannel(client, topic, config),
    setAuth: (token) => client.realtime.setAuth(token),
  }
}

class PhoenixChannel {
  #bindings = []
  #rows = new Map()

  constructor(socket, Presence, topic, config) {
    this.inner = socket.channel(`realtime:${topic}`, () => ({ config: { ...config, postgres_changes: this.#bindings } }))
    this.inner.on('postgres_changes', ({ ids, data }) => ids.forEach((id) => this.#rows.get(id)?.({ type: data.type, record: data.record })))
    this.Presence = Presence
  }

  rows(binding, f) {
    this.#bindings.push({ ...binding, f })
    return this
  }

  broadcasts(f) { return this.on('broadcast', f) }
  system(f) { return this.on('system', f) }

  presence() {
    this.state = new this.Presence(this.inner)
    return this
  }

  get present() { return Object.fromEntries(this.state.list((key, { metas }) => [key, metas])) }

  on(...args) {
    this.inner.on(...args)
    return this
  }

  async join() {
    const response = await answer(this.inner.join())
    response.postgres_changes.forEach(({ id }, i) => this.#rows.set(id, this.#bindings[i].f))
    return this
  }

  async say(event, payload) {
    await answer(this.inner.push('broadcast', payload instanceof ArrayBuffer ? payload : { type: 'broadcast', event, payload }))
    return 'ok'
  }

  async track(meta) {
    await answer(this.inner.push('presence', { type: 'presence', event: 'track', payload: meta }))
    return 'ok'
  }

  async leave() {
    await answer(this.inner.leave())
    return 'ok'
  }
}

const answer = (push) => new Promise((resolve, reject) => {
  push.receive('ok', resolve).receive('error', ({ reason }) => reject(new Error(reason))).receive('timeout', () => reject(new Error('timed out')))
})

const phoenix = (Socket, Presence) => (t, server, key, params = {}) => {
  const socket = new Socket(server.socket, { params: { ...params, apikey: key }, transport: WebSocket, reconnectAfterMs: soon, rejoinAfterMs: soon })
  const channels = []
  socket.connect()
  t.after(() => socket.disconnect())
  return {
    channel(topic, config = {}) {
      channels.push(new PhoenixChannel(socket, Presence, topic, config))
      return channels.at(-1)
    },
    setAuth: (token) => channels.forEach(({ inner }) => inner.push('access_token', { access_token: token })),
  }
}

export const versions = {
  'supabase-js 2.39': supabase(supabase39, {}),
  'supabase-js 2.49': supabase(supabase49),
  'supabase-js 2.58': supabase(supabase58),
  'supabase-js 2.75': supabase(supabase75),
  'supabase-js 2.90': supabase(supabase90),
  'supabase-js 2.106': supabase(supabase106),
  'supabase-js 2.119': supabase(supabase119),
  'phoenix 1.7': phoenix(Socket17, Presence17),
  'phoenix 1.8': phoenix(Socket18, Presence18),
}
