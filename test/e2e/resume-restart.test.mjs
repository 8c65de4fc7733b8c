// Clients that know nothing of resuming, but connect with a client_id, to a server that ends and starts.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { rejoining } from './lib/clients.mjs'
import { table } from './lib/database.mjs'
import { follow } from './lib/follower.mjs'
import { insert, upTo } from './lib/numbers.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

/** A table of numbers, a server with a proxy before it and one between it and Postgres. */
async function scene(t) {
  const numbered = await table(t, 'id int primary key')
  const url = new URL(process.env.E2E_DATABASE_URL)
  const postgres = await proxy(t, Number(url.port))
  url.port = postgres.port
  const server = await serve(t, { tables: [numbered], databaseURL: url.href })
  return { numbered, server, wire: await proxy(t, server.port), postgres }
}

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: a deploy loses nothing, however long the server is away`, async (t) => {
    const { numbered, server, wire } = await scene(t)
    const { ids, resyncs } = await follow(t, wire, numbered, { kind })
    await insert(numbered, 1)
    await until(() => ids.length === 1, 'the first row')
    assert.equal(await server.end('SIGTERM'), 0) // asks for proof once more
    await insert(numbered, 2, 3)
    await server.start()
    await until(() => ids.length >= 3, 'what it missed')
    await insert(numbered, 4)
    await until(() => ids.includes(4), 'a row after the restart')
    assert.deepEqual(ids, upTo(4))
    assert.deepEqual(resyncs, [])
  })

  test(`${kind}: after a kill -9 each client that was connected is told to resync, until it has proven that it was`, async (t) => {
    const { numbered, server, wire } = await scene(t)
    const follower = await follow(t, wire, numbered, { kind })
    const { ids, resyncs, proven } = follower
    await insert(numbered, 1)
    await until(() => ids.length === 1, 'the first row')
    await proven()
    assert.deepEqual(resyncs, [])
    await server.end('SIGKILL')
    await insert(numbered, 2)
    follower.onResync = () => { wire.swallows = true } // before the pong that would prove it
    await server.start()
    await until(() => resyncs.length === 1, 'the resync')
    follower.onResync = null
    const { from, status, extension, code } = resyncs[0]
    assert.deepEqual({ from, status, extension, code }, { from: null, status: 'ok', extension: 'postgres_changes', code: 'unknown_position' })
    wire.cut()
    await until(() => resyncs.length === 2, 'the resync again')
    assert.equal(resyncs[1].from, null)
    await insert(numbered, 3)
    await until(() => ids.includes(3), 'a row after the resync')
    await proven()
    wire.cut()
    await insert(numbered, 4)
    await until(() => ids.includes(4), 'a row after another drop')
    assert.equal(resyncs.length, 2)
    // Who joins before the server follows the database again may get the last seconds once more.
    assert.deepEqual([...new Set(ids)].filter((id) => id !== 2), [1, 3, 4])
  })
}

test('two stops before the client is back, and a start while Postgres is away, lose nothing', async (t) => {
  const { numbered, server, wire, postgres } = await scene(t)
  const follower = await follow(t, wire, numbered)
  const { ids, resyncs, proven } = follower
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  await proven()
  wire.cut({ open: false })
  await insert(numbered, 2)
  assert.equal(await server.end('SIGTERM'), 0)
  await server.start()
  await insert(numbered, 3)
  assert.equal(await server.end('SIGTERM'), 0)
  postgres.cut({ open: false })
  await server.start({ streams: false })
  assert.equal(await server.end('SIGTERM'), 0)
  await server.start({ streams: false })
  wire.open = true
  await until(() => follower.joins === 2, 'the client to be back before Postgres is')
  await insert(numbered, 4)
  postgres.open = true
  await until(() => ids.length >= 4, 'what it missed')
  await insert(numbered, 5)
  await until(() => ids.includes(5), 'a row after all')
  assert.deepEqual(ids, upTo(5))
  assert.deepEqual(resyncs, [])
})

test('a kill -9 is remembered over stops until each client has been back, new ones included', async (t) => {
  const { numbered, server, wire } = await scene(t)
  const { ids, resyncs, proven } = await follow(t, wire, numbered)
  await proven()
  wire.cut({ open: false })
  await server.end('SIGKILL')
  await insert(numbered, 1)
  for (let i = 0; i < 2; i++) {
    await server.start()
    assert.equal(await server.end('SIGTERM'), 0)
  }
  await server.start()
  wire.open = true
  await until(() => resyncs.length === 1, 'the resync')
  assert.equal(resyncs[0].from, null)
  const other = await follow(t, wire, numbered, { clientID: 'could have been here' })
  await until(() => other.resyncs.length === 1, 'the resync of another one')
  const anonymous = await follow(t, wire, numbered, { clientID: '' })
  await insert(numbered, 2)
  for (const each of [ids, other.ids, anonymous.ids]) await until(() => each.includes(2), 'a row for everybody')
  assert.deepEqual(anonymous.resyncs, []) // has nothing to be recognised by
  assert.deepEqual([resyncs.length, other.resyncs.length], [1, 1])
})

test('a state directory that is lost is as a kill -9', async (t) => {
  const { numbered, server, wire } = await scene(t)
  const { ids, resyncs } = await follow(t, wire, numbered)
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  assert.deepEqual(resyncs, []) // at the first start of all there is nothing to miss
  await server.end('SIGTERM')
  await insert(numbered, 2)
  await rm(server.state, { recursive: true })
  await server.start()
  await until(() => resyncs.length === 1, 'the resync')
  assert.equal(resyncs[0].from, null)
  await insert(numbered, 3)
  await until(() => ids.includes(3), 'a row after the resync')
})

test('proof that did not arrive before the stop: the row comes again', async (t) => {
  const { numbered, server, wire } = await scene(t)
  const { ids, resyncs, proven } = await follow(t, wire, numbered)
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  await proven()
  wire.swallows = true
  await insert(numbered, 2)
  await until(() => ids.length === 2, 'the row that is not proven')
  const end = server.end('SIGTERM')
  wire.cut()
  assert.equal(await end, 0)
  await server.start()
  await until(() => ids.length === 3, 'the row again')
  assert.deepEqual(ids, [1, 2, 2])
  assert.deepEqual(resyncs, [])
})
