import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connect, kinds, listen, subscribed } from './lib/clients.mjs'
import { database, table, transaction } from './lib/database.mjs'
import { member, open, serveMessages } from './lib/messages.mjs'
import { raw } from './lib/raw.mjs'
import { user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const has = (heard, n) => until(() => heard.length >= n, `${n} broadcasts, have ${JSON.stringify(heard)}`).then(() => assert.equal(heard.length, n))

for (const kind of Object.keys(kinds)) {
  test(`${kind}: realtime.send and logical messages arrive, rolled back ones do not`, async (t) => {
    // The function's name alone would not say which: there are two.
    const { rows } = await database.query(`select oid::regprocedure as name from pg_proc where proname = 'pg_logical_emit_message'`)
    for (const { name } of rows) await database.query(`revoke execute on function ${name} from public`)
    const server = await serveMessages(t, { flags: ['--logical-message-roles', 'service_role'] })
    const topic = `sql-${randomUUID()}`
    await open(t, topic)
    const secret = await member(t, server, topic, { kind, key: user(randomUUID()), config: { private: true } })
    const everybody = await member(t, server, topic, { kind })
    await database.query(`select realtime.send('{"n":1}', 'sent', $1, true)`, [topic])
    await database.query(`select realtime.send('{"n":2}', 'sent', $1, false)`, [topic])
    await transaction(async (connection) => {
      await connection.query(`select realtime.send('{"n":3}', 'never', $1, true)`, [topic])
      await connection.query('rollback')
      await connection.query('begin')
    })
    const emit = (n, extra) => database.query(`select pg_logical_emit_message(true, 'walcast.broadcast', $1)`,
      [JSON.stringify({ topic, event: 'emitted', payload: { n }, ...extra })])
    await emit(4, {})
    await emit(5, { private: false })
    await has(secret.heard, 2)
    await has(everybody.heard, 2)
    assert.deepEqual(secret.heard.map((m) => [m.event, m.payload.n]), [['sent', 1], ['emitted', 4]])
    assert.deepEqual(everybody.heard.map((m) => [m.event, m.payload.n]), [['sent', 2], ['emitted', 5]])
    const [sent, emitted] = secret.heard
    assert.equal(sent.meta.id, sent.payload.id)
    assert.equal(emitted.meta, undefined)
  })
}

test('messages and rows of a transaction arrive in commit order', async (t) => {
  const notes = await table(t, 'id int primary key')
  const server = await serveMessages(t, { tables: [notes] })
  const client = connect(t, server)
  const order = []
  const channel = client.channel('order')
    .on('broadcast', { event: '*' }, (m) => order.push(`message ${m.payload.n}`))
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: notes }, (e) => order.push(`row ${e.new.id}`))
  await subscribed(channel)
  for (let n = 0; n < 20; n++) {
    await transaction(async (connection) => {
      await connection.query(`insert into ${notes} values ($1)`, [n])
      await connection.query(`select realtime.send(jsonb_build_object('n', $1::int), 'e', 'order', false)`, [n])
    })
  }
  await until(() => order.length === 40, `40 events, have ${order.length}`)
  assert.deepEqual(order, Array.from({ length: 20 }, (_, n) => [`row ${n}`, `message ${n}`]).flat())
})

test('a trigger broadcasts rows, and bytes arrive as bytes', async (t) => {
  const topic = `trigger-${randomUUID()}`
  const items = await table(t, 'id int primary key, v text',
    `create function TABLE_f() returns trigger security definer language plpgsql as $$ begin
       perform realtime.broadcast_changes('${topic}', tg_op, tg_op, tg_table_name, tg_table_schema, new, old); return null; end $$`,
    'create trigger b after insert or update or delete on TABLE for each row execute function TABLE_f()')
  t.after(() => database.query(`drop function if exists ${items}_f cascade`))
  const server = await serveMessages(t)
  await open(t, topic)
  const { heard } = await member(t, server, topic, { key: user(randomUUID()), config: { private: true } })
  await database.query(`insert into ${items} values (1, 'a')`)
  await database.query(`update ${items} set v = 'b'`)
  await database.query(`delete from ${items}`)
  await database.query(`select realtime.send_binary('\\x0102ff', 'bytes', $1)`, [topic])
  await has(heard, 4)
  assert.deepEqual(heard.map((m) => m.event), ['INSERT', 'UPDATE', 'DELETE', 'bytes'])
  assert.deepEqual(heard[1].payload.record, { id: 1, v: 'b' })
  assert.deepEqual(heard[1].payload.old_record, { id: 1, v: 'a' })
  assert.deepEqual([...new Uint8Array(heard[3].payload)], [1, 2, 255])
})

for (const kind of Object.keys(kinds)) test(`${kind}: a join with replay gets what was stored, oldest first, then what comes, nothing twice`, async (t) => {
  const server = await serveMessages(t)
  const topic = `replay-${randomUUID()}`
  await open(t, topic)
  for (let n = 1; n <= 30; n++) await database.query(`select realtime.send(jsonb_build_object('n', $1::int), 'e', $2)`, [n, topic])
  const since = Date.now() - 60_000
  const late = await member(t, server, topic, { kind, key: user(randomUUID()), config: { private: true, broadcast: { replay: { since, limit: 10 } } } })
  await has(late.heard, 10)
  await database.query(`select realtime.send('{"n":31}', 'e', $1)`, [topic])
  await has(late.heard, 11)
  assert.deepEqual(late.heard.map((m) => m.payload.n), Array.from({ length: 11 }, (_, i) => 21 + i))
  assert.deepEqual(late.heard.map((m) => m.meta.replayed ?? false), [...Array(10).fill(true), false])
})

test('joins with replay while messages are sent get each exactly once', async (t) => {
  const server = await serveMessages(t)
  const topic = `storm-${randomUUID()}`
  await open(t, topic)
  const since = Date.now() - 60_000
  const members = []
  for (let n = 0; n < 20; n++) {
    const sent = database.query(`select realtime.send(jsonb_build_object('n', $1::int), 'e', $2)`, [n, topic])
    members.push(await member(t, server, topic, { key: user(randomUUID()), config: { private: true, broadcast: { replay: { since } } } }))
    await sent
  }
  for (const { heard } of members) {
    await has(heard, 20)
    assert.deepEqual(heard.map((m) => m.payload.n), Array.from({ length: 20 }, (_, n) => n))
  }
})

test('refused replays say why', async (t) => {
  const server = await serveMessages(t)
  const socket = await raw(t, server)
  socket.send(['1', '1', 'realtime:x', 'phx_join', { config: { broadcast: { replay: { since: 0 } } } }])
  const [, , , , reply] = await socket.next((f) => f[3] === 'phx_reply')
  assert.deepEqual(reply, { status: 'error', response: { reason: 'UnableToReplayMessages: Replay is not allowed for public channels' } })
})

test('the schema is taken for granted by the next start', async (t) => {
  const first = await serveMessages(t)
  await first.end()
  const second = await serveMessages(t)
  const { heard } = await member(t, second, 'again')
  await database.query(`select realtime.send('{"n":1}', 'e', 'again', false)`)
  await has(heard, 1)
})
