// Broadcast and presence of clients that come back with a client_id.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, rejoining, soon, subscribed } from './lib/clients.mjs'
import { table } from './lib/database.mjs'
import { insert, upTo } from './lib/numbers.mjs'
import { proven } from './lib/pongs.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

/** Joins a room with a client_id and collects the numbers that are said there, and resyncs. */
async function enter(t, server, clientID, { kind, config = {} } = {}) {
  const client = connect(t, server, { kind, options: { params: { client_id: clientID }, ...soon(kind) } })
  const visitor = { heard: [], resyncs: [], joins: 0, client, channel: client.channel('room', { config }) }
  visitor.channel
    .on('broadcast', { event: 'n' }, ({ payload }) => visitor.heard.push(payload.n))
    .on('system', {}, (p) => { if (p.message.startsWith('resync_required')) visitor.resyncs.push(p) })
  visitor.channel.joinPush.receive('ok', () => { visitor.joins++ })
  visitor.proven = () => proven(clientID, visitor.channel)
  return visitor
}

const acknowledged = { broadcast: { ack: true } }

async function say(speaker, ...numbers) {
  for (const n of numbers) assert.equal(await speaker.channel.send({ type: 'broadcast', event: 'n', payload: { n } }), 'ok')
}

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: broadcasts go on in order, and only what is not proven comes again`, async (t) => {
    const server = await serve(t)
    const wire = await proxy(t, server.port)
    const listener = await enter(t, wire, 'listener', { kind })
    const speaker = await enter(t, server, 'speaker', { kind, config: acknowledged })
    for (const one of [listener, speaker]) await subscribed(one.channel)
    await say(speaker, 1, 2)
    await until(() => listener.heard.length === 2, 'the first broadcasts')
    await listener.proven()
    wire.cut({ open: false })
    await say(speaker, 3, 4)
    wire.open = true
    await until(() => listener.heard.length >= 4, 'what was said meanwhile')
    await say(speaker, 5)
    await until(() => listener.heard.length >= 5, 'a live broadcast')
    await listener.proven()
    wire.swallows = true
    await say(speaker, 6)
    await until(() => listener.heard.length >= 6, 'the one that is not proven')
    wire.cut()
    await until(() => listener.heard.length >= 7, 'it again')
    await say(speaker, 7)
    await until(() => listener.heard.includes(7), 'the last one')
    assert.deepEqual(listener.heard, [1, 2, 3, 4, 5, 6, 6, 7])
    assert.deepEqual(listener.resyncs, [])
    assert.deepEqual(speaker.heard, [])
  })
}

test('broadcasts and rows go on over a deploy, each in its order', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const listener = await enter(t, wire, 'listener')
  const rows = []
  listener.channel.on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => rows.push(p.new.id))
  const speaker = await enter(t, server, 'speaker', { config: acknowledged })
  for (const one of [listener, speaker]) await subscribed(one.channel)
  await say(speaker, 1)
  await insert(numbered, 1)
  await until(() => listener.heard.length === 1 && rows.length === 1, 'the first of both')
  await listener.proven()
  wire.cut({ open: false })
  await say(speaker, 2, 3)
  await insert(numbered, 2, 3)
  assert.equal(await server.end('SIGTERM'), 0)
  await server.start()
  wire.open = true
  await until(() => listener.heard.length >= 3 && rows.length >= 3, 'what was missed of both')
  await until(() => speaker.joins >= 2, 'the speaker to be back')
  await say(speaker, 4)
  await insert(numbered, 4)
  await until(() => listener.heard.length >= 4 && rows.length >= 4, 'the last of both')
  assert.deepEqual(listener.heard, upTo(4))
  assert.deepEqual(rows, upTo(4))
  assert.deepEqual(listener.resyncs, [])
})

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: presence is synchronised again after a drop, a deploy and a kill -9`, async (t) => {
    const server = await serve(t)
    const wire = await proxy(t, server.port)
    const all = []
    const join = async (key, through) => {
      const member = await enter(t, through, key, { kind, config: { presence: { key } } })
      member.channel.on('presence', { event: 'sync' }, () => {})
      // A member says for how many times it has joined, so that what is seen is not what was there before.
      member.channel.subscribe((status) => { if (status === 'SUBSCRIBED') member.channel.track({ join: member.joins }) })
      all.push([key, member])
      return member
    }
    const seenBy = (one) => Object.entries(one.channel.presenceState()).map(([key, metas]) => [key, ...metas.map((m) => m.join)].join(' ')).sort().join()
    const everybody = (joins) => until(() => all.every(([, one]) => one.joins >= joins(one)) &&
      all.every(([, one]) => seenBy(one) === all.map(([key, each]) => `${key} ${each.joins}`).sort().join()),
    `all to see all, who see ${all.map(([, one]) => seenBy(one)).join(' | ')}`)

    const ann = await join('ann', wire)
    const bob = await join('bob', server)
    await everybody(() => 1)
    wire.cut({ open: false })
    await until(() => seenBy(bob) === 'bob 1', 'Ann to be gone')
    await join('eve', server)
    await until(() => seenBy(bob) === 'bob 1,eve 1', 'Eve to be there')
    wire.open = true
    await everybody((one) => (one === ann ? 2 : 1))
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      const before = new Map(all.map(([, one]) => [one, one.joins]))
      await server.end(signal)
      await server.start()
      await everybody((one) => before.get(one) + 1)
    }
  })
}
