// Clients that know nothing of resuming, but connect with a client_id, behind a connection that breaks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, rejoining, soon } from './lib/clients.mjs'
import { table } from './lib/database.mjs'
import { follow } from './lib/follower.mjs'
import { insert, upTo } from './lib/numbers.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** A table of numbers, a server, and a proxy before it. */
async function scene(t) {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  return { numbered, server, wire: await proxy(t, server.port) }
}

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: a dropped connection comes back by itself and gets exactly what it missed, in order`, async (t) => {
    const { numbered, wire } = await scene(t)
    const { ids, resyncs, proven } = await follow(t, wire, numbered, { kind })
    await insert(numbered, 1, 2, 3)
    await until(() => ids.length === 3, 'the first rows')
    await proven()
    wire.cut({ open: false })
    await insert(numbered, 4)
    await insert(numbered, 5, 6)
    wire.open = true
    await until(() => ids.length >= 6, 'what it missed')
    await insert(numbered, 7)
    await until(() => ids.includes(7), 'a row after its return')
    assert.deepEqual(ids, upTo(7))
    assert.deepEqual(resyncs, [])
  })

  test(`${kind}: what was written and not proven comes again`, async (t) => {
    const { numbered, wire } = await scene(t)
    const { ids, resyncs, proven } = await follow(t, wire, numbered, { kind })
    await insert(numbered, 1)
    await until(() => ids.length === 1, 'the first row')
    await proven()
    wire.swallows = true // pongs too
    await insert(numbered, 2)
    await insert(numbered, 3)
    await until(() => ids.length === 3, 'what is not proven')
    wire.cut({ open: false })
    await insert(numbered, 4)
    wire.open = true
    await until(() => ids.includes(4), 'what it missed')
    assert.deepEqual(ids, [1, 2, 3, 2, 3, 4])
    assert.deepEqual(resyncs, [])
  })
}

test('realtime-js 2.11.15 does not join again by itself: a channel that its app makes anew goes on', async (t) => {
  const { numbered, wire } = await scene(t)
  const client = connect(t, wire, { kind: 'realtime-js 2.11', options: { params: { client_id: `tab-${process.pid}` }, ...soon('realtime-js 2.11') } })
  const ids = []
  let joins = 0
  const join = () => {
    const channel = client.channel('numbers')
      .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => ids.push(p.new.id))
      .subscribe((status) => {
        if (status === 'SUBSCRIBED') joins++
        if (status === 'CHANNEL_ERROR') client.removeChannel(channel).then(() => setTimeout(join, 50))
      })
  }
  join()
  await until(() => joins === 1, 'the join')
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  wire.cut({ open: false })
  await insert(numbered, 2)
  wire.open = true
  await until(() => ids.includes(2), 'the missed row')
  assert.deepEqual([...new Set(ids)], [1, 2]) // the first may not have been proven
})

test('another user with the same client_id gets nothing of what was missed', async (t) => {
  const { numbered, server, wire } = await scene(t)
  const mine = await follow(t, wire, numbered, { key: user('me') })
  await insert(numbered, 1)
  await until(() => mine.ids.length === 1, 'the first row')
  await mine.proven()
  wire.cut({ open: false })
  const witness = await follow(t, server, numbered, { clientID: `witness-${process.pid}` })
  await insert(numbered, 2)
  await until(() => witness.ids.length === 1, 'the server to have read the row') // from here on it is not live
  const theirs = await follow(t, server, numbered, { key: user('them') })
  await insert(numbered, 3)
  await until(() => theirs.ids.length === 1, 'a row after the join')
  assert.deepEqual(theirs.ids, [3])
  wire.open = true
  await until(() => mine.ids.includes(3), 'what the first user missed')
  assert.deepEqual(mine.ids, [1, 2, 3])
  assert.deepEqual([...mine.resyncs, ...theirs.resyncs], [])
})
