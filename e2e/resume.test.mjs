// Clients that know nothing of resuming, but connect with a client_id: one line of configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { connect, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** A transport whose sockets a test can tear apart; pings counts how often the server asked for proof. */
function wires() {
  const state = { sockets: [], pings: 0 }
  state.transport = class extends WebSocket {
    constructor(...args) {
      super(...args)
      state.sockets.push(this)
      this.on('ping', () => { state.pings++ })
    }
  }
  state.cut = () => state.sockets.at(-1).terminate()
  return state
}

/** Subscribes to the inserts of a table with a client_id and collects ids and resyncs. */
async function follow(t, server, numbered, clientID, { key, topic = 'numbers' } = {}) {
  const wire = wires()
  const client = connect(t, server, { key, options: { transport: wire.transport, params: { client_id: clientID }, reconnectAfterMs: () => 100 } })
  if (key) await client.realtime.setAuth(key)
  const ids = []
  const resyncs = []
  const channel = client.channel(topic)
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => ids.push(p.new.id))
    .on('system', {}, (p) => { if (p.message.startsWith('resync_required')) resyncs.push(p) })
  await subscribed(channel)
  return { client, channel, wire, ids, resyncs }
}

const insert = (numbered, id) => database.query(`insert into ${numbered} values ($1)`, [id])
const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1)

/** Waits until a ping came after everything that was received so far. */
async function proven(wire) {
  const before = wire.pings
  await until(() => wire.pings > before, 'a ping after the last change')
}

test('a dropped connection comes back by itself and gets exactly what it missed, in order', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const { wire, ids, resyncs } = await follow(t, server, numbered, 'tab-1')
  for (const id of [1, 2, 3]) await insert(numbered, id)
  await until(() => ids.length === 3, 'the first rows')
  await proven(wire)
  wire.cut()
  for (const id of [4, 5, 6]) await insert(numbered, id)
  await until(() => ids.length >= 6, 'what it missed')
  await insert(numbered, 7)
  await until(() => ids.includes(7), 'a row after its return')
  assert.deepEqual(ids, upTo(7))
  assert.deepEqual(resyncs, [])
  assert.equal(wire.sockets.length, 2)
})

test('a restart loses nothing for those who were connected, however long the server is away', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const { ids, resyncs } = await follow(t, server, numbered, 'tab-1')
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  assert.equal(await server.end('SIGTERM'), 0)
  for (const id of [2, 3]) await insert(numbered, id)
  await server.start()
  await until(() => ids.length >= 3, 'what it missed')
  await insert(numbered, 4)
  await until(() => ids.includes(4), 'a row after the restart')
  assert.deepEqual(ids, upTo(4))
  assert.deepEqual(resyncs, [])
})

test('after a kill -9 each client that was connected is told to resync, once', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const { wire, ids, resyncs } = await follow(t, server, numbered, 'tab-1')
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  assert.deepEqual(resyncs, [])
  await server.end('SIGKILL')
  await insert(numbered, 2)
  await server.start()
  await until(() => resyncs.length === 1, 'the resync')
  assert.equal(resyncs[0].from, null)
  assert.equal(resyncs[0].status, 'error')
  await insert(numbered, 3)
  await until(() => ids.includes(3), 'a row after the resync')
  await proven(wire)
  wire.cut()
  await insert(numbered, 4)
  await until(() => ids.includes(4), 'a row after another drop')
  // Who joins before the server follows the database again may get the last seconds once more.
  assert.deepEqual([...new Set(ids)].filter((id) => id !== 2), [1, 3, 4])
  assert.equal(resyncs.length, 1)
})

test('another user with the same client_id gets nothing of what was missed', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const mine = await follow(t, server, numbered, 'tab-1', { key: user('me') })
  await insert(numbered, 1)
  await until(() => mine.ids.length === 1, 'the first row')
  await proven(mine.wire)
  mine.wire.sockets.at(-1).once('close', () => mine.client.realtime.disconnect())
  mine.wire.cut()
  await insert(numbered, 2)
  const theirs = await follow(t, server, numbered, 'tab-1', { key: user('them') })
  await insert(numbered, 3)
  await until(() => theirs.ids.length === 1, 'a row after the join')
  assert.deepEqual(theirs.ids, [3])
  assert.deepEqual(theirs.resyncs, [])
})
