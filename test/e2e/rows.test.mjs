import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, listen } from './lib/clients.mjs'
import { database, table, transaction } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

const count = (events, n) => until(() => events.length >= n, `${n} events, have ${JSON.stringify(events.slice(-3))} of ${events.length}`)
  .then(() => assert.equal(events.length, n))

for (const kind of Object.keys(kinds)) {
  test(`${kind}: a filter lets through exactly its rows, in commit order`, async (t) => {
    const messages = await table(t, 'id int primary key, channel_id int, body text')
    const server = await serve(t, { tables: [messages] })
    const { events } = await listen(connect(t, server, { kind }), 'room',
      { event: '*', schema: 'public', table: messages, filter: 'channel_id=eq.42' })

    await database.query(`insert into ${messages} values (1, 42, 'first'), (2, 7, 'elsewhere'), (3, 42, 'third')`)
    await database.query(`update ${messages} set body = 'edited' where id = 3`)
    await database.query(`delete from ${messages} where id = 2`)
    await database.query(`insert into ${messages} values (4, 42, 'last')`)
    await count(events, 4)

    assert.deepEqual(events.map((e) => [e.eventType, e.new.id, e.new.body]),
      [['INSERT', 1, 'first'], ['INSERT', 3, 'third'], ['UPDATE', 3, 'edited'], ['INSERT', 4, 'last']])
    const [first, , update] = events
    assert.deepEqual(first.new, { id: 1, channel_id: 42, body: 'first' })
    assert.deepEqual(first.old, {})
    assert.deepEqual(update.old, { id: 3 })
    assert.equal(first.schema, 'public')
    assert.equal(first.table, messages)
    assert.equal(first.errors, null)
    assert.match(first.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.ok(Math.abs(Date.now() - Date.parse(first.commit_timestamp)) < 60_000)
  })

  test(`${kind}: without a filter every change of the table arrives, DELETE with its key`, async (t) => {
    const todos = await table(t, 'id int primary key, title text')
    const other = await table(t, 'id int primary key')
    const server = await serve(t, { tables: [todos, other] })
    const { events } = await listen(connect(t, server, { kind }), 'all', { event: '*', schema: 'public', table: todos })
    await database.query(`insert into ${other} values (9)`)
    await database.query(`insert into ${todos} values (1, 'milk')`)
    await database.query(`update ${todos} set title = 'bread' where id = 1`)
    await database.query(`delete from ${todos} where id = 1`)
    await count(events, 3)
    assert.deepEqual(events.map((e) => [e.eventType, e.new, e.old]), [
      ['INSERT', { id: 1, title: 'milk' }, {}],
      ['UPDATE', { id: 1, title: 'bread' }, { id: 1 }],
      ['DELETE', {}, { id: 1 }],
    ])
  })
}

test('DELETE is filtered by the old row where the replica identity has it', async (t) => {
  const full = await table(t, 'id int primary key, channel_id int', 'alter table TABLE replica identity full')
  const server = await serve(t, { tables: [full] })
  const { events } = await listen(connect(t, server), 'deletes', { event: 'DELETE', schema: 'public', table: full, filter: 'channel_id=eq.42' })
  await database.query(`insert into ${full} values (1, 42), (2, 7), (3, 42)`)
  await database.query(`delete from ${full}`)
  await count(events, 2)
  assert.deepEqual(events.map((e) => e.old), [{ id: 1, channel_id: 42 }, { id: 3, channel_id: 42 }])
})

test('ten clients of both versions on one topic get the same', async (t) => {
  const messages = await table(t, 'id int primary key, channel_id int')
  const server = await serve(t, { tables: [messages] })
  const names = Object.keys(kinds)
  const all = await Promise.all(Array.from({ length: 10 }, (_, i) => listen(connect(t, server, { kind: names[i % names.length] }), 'shared',
    { event: 'INSERT', schema: 'public', table: messages, filter: 'channel_id=eq.42' })))
  await database.query(`insert into ${messages} select n, case when n % 2 = 0 then 42 else 7 end from generate_series(1, 100) n`)
  for (const { events } of all) {
    await count(events, 50)
    assert.deepEqual(events.map((e) => e.new.id), Array.from({ length: 50 }, (_, i) => 2 * (i + 1)))
  }
})

test('two bindings of one channel each get theirs', async (t) => {
  const messages = await table(t, 'id int primary key, channel_id int')
  const server = await serve(t, { tables: [messages] })
  const { events } = await listen(connect(t, server), 'two',
    { event: 'INSERT', schema: 'public', table: messages, filter: 'channel_id=in.(1,2)' },
    { event: '*', schema: 'public', table: messages, filter: 'channel_id=eq.2' })
  await database.query(`insert into ${messages} values (10, 1), (20, 2), (30, 3)`)
  await count(events, 3)
  assert.deepEqual(events.map((e) => [e.new.id, e.binding]), [[10, 0], [20, 0], [20, 1]])
})

test('a transaction of 10,000 rows arrives whole and in order, a rolled back one not at all', async (t) => {
  const messages = await table(t, 'id int primary key, channel_id int')
  const server = await serve(t, { tables: [messages] })
  const { events } = await listen(connect(t, server), 'many', { event: '*', schema: 'public', table: messages })
  await transaction(async (connection) => {
    await connection.query(`insert into ${messages} select n, 0 from generate_series(20001, 30000) n`)
    await connection.query('rollback')
    await connection.query('begin')
  })
  await transaction((connection) => connection.query(`insert into ${messages} select n, 42 from generate_series(1, 10000) n`))
  await count(events, 10_000)
  assert.deepEqual(events.map((e) => e.new.id), Array.from({ length: 10_000 }, (_, i) => i + 1))
  assert.equal(new Set(events.map((e) => e.commit_timestamp)).size, 1)
})

test('a table created and published while the server runs', async (t) => {
  const server = await serve(t)
  const fresh = await table(t, 'id int primary key, v text')
  await database.query(`alter publication ${server.name} add table ${fresh}`)
  const { events } = await listen(connect(t, server), 'fresh', { event: '*', schema: 'public', table: fresh })
  await database.query(`insert into ${fresh} values (1, 'here')`)
  await count(events, 1)
  assert.deepEqual(events[0].new, { id: 1, v: 'here' })
})

test('a column added under a subscriber is in the next row', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [todos] })
  const { events } = await listen(connect(t, server), 'alter', { event: 'INSERT', schema: 'public', table: todos, filter: 'id=gte.1' })
  await database.query(`insert into ${todos} values (1)`)
  await database.query(`alter table ${todos} add column note text`)
  await database.query(`insert into ${todos} values (2, 'new')`)
  await count(events, 2)
  assert.deepEqual(events.map((e) => e.new), [{ id: 1 }, { id: 2, note: 'new' }])
})

test('what commits after SUBSCRIBED is delivered, every time', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [todos] })
  for (let round = 1; round <= 20; round++) {
    const client = connect(t, server)
    const { events } = await listen(client, 'at-once', { event: 'INSERT', schema: 'public', table: todos, filter: `id=eq.${round}` })
    await database.query(`insert into ${todos} values (${round})`)
    await count(events, 1)
    await client.realtime.disconnect()
  }
})
