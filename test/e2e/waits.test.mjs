// Joins whose reply waits until their bindings are checked.
import './lib/native.mjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { address } from './lib/stream.mjs'
import { until } from './lib/until.mjs'

const waits = { config: { postgres_changes_options: { wait: true, timeout: 5_000 } } }

/** A channel on a table that collects what it is told and the ids of rows. */
function scene(client, name, options) {
  const seen = { told: [], ids: [] }
  const channel = client.channel('room', options)
    .on('system', {}, ({ status, message }) => seen.told.push(`${status} ${message}`))
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: name }, (change) => seen.ids.push(change.new.id))
  return { channel, ...seen }
}

test('a join that waits is answered when its bindings work', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [todos] })
  const { channel, told, ids } = scene(connect(t, server), todos, waits)
  await subscribed(channel)
  await database.query(`insert into ${todos} values (1)`)
  await until(() => ids.length === 1, 'the row')
  assert.deepEqual([ids, told], [[1], ['ok Subscribed to PostgreSQL']])
})

test('a join that waits is refused with what is wrong and its cure', async (t) => {
  const hidden = await table(t, 'id int primary key')
  const server = await serve(t)
  const { channel, told, ids } = scene(connect(t, server), hidden, waits)
  const states = []
  channel.subscribe((status, error) => states.push({ status, message: error?.message, cause: error?.cause }))
  await until(() => states.length > 0, 'the refusal')
  const [{ status, message, cause }] = states
  assert.equal(status, 'CHANNEL_ERROR')
  assert.match(message, /^RealtimeDisabledForConfiguration: Unable to subscribe to changes with given parameters\. Please check Realtime is enabled/)
  assert.equal(cause.code, 'not_published')
  assert.deepEqual(told, [])
  await database.query(cause.fix)
  await until(() => states.at(-1).status === 'SUBSCRIBED', 'the client to join again by itself')
  await database.query(`insert into ${hidden} values (1)`)
  await until(() => ids.length === 1, 'the row')
})

for (const kind of Object.keys(kinds)) {
  test(`${kind}: with strict-bindings every join waits`, async (t) => {
    const [todos, hidden] = [await table(t, 'id int primary key'), await table(t, 'id int primary key')]
    const server = await serve(t, { tables: [todos], flags: ['--strict-bindings'] })
    const client = connect(t, server, { kind })
    const { channel, ids } = scene(client, todos)
    await subscribed(channel)
    await database.query(`insert into ${todos} values (1)`)
    await until(() => ids.length === 1, 'the row')
    const other = connect(t, server, { kind })
    await assert.rejects(subscribed(scene(other, hidden).channel), /RealtimeDisabledForConfiguration: Unable to subscribe/)
    await other.removeAllChannels()
  })
}

test('with strict-bindings an event stream is refused before it begins', async (t) => {
  const hidden = await table(t, 'id int primary key')
  const server = await serve(t, { flags: ['--strict-bindings'] })
  const response = await fetch(address(server, { topic: 'room', table: hidden }))
  assert.equal(response.status, 400)
  const { error, code, fix } = await response.json()
  assert.match(error, /^RealtimeDisabledForConfiguration: /)
  assert.deepEqual([code, fix], ['not_published', `ALTER PUBLICATION "${server.name}" ADD TABLE "public"."${hidden}";`])
})
