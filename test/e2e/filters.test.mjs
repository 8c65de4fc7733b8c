import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, listen } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

const rows = `(1, 'open', 10, '{a,b}', '{"status": "open", "tags": ["x"], "n": {"deep": 1}}', '[1,5)', 'O''Brien, "x"'),
  (2, 'done', 20, '{b,c}', '{"status": "done", "tags": ["x", "y"]}', '[4,9)', 'plain'),
  (3, 'open', 30, '{}', '{"status": "open"}', 'empty', null),
  (4, null, null, null, null, null, 'a,b')`

// Which of the rows each filter lets through.
const cases = {
  'or=(state.eq.open,n.gt.15)': [1, 2, 3],
  'or=(state.is.null,and(state.eq.open,n.lt.20))': [1, 4],
  'not.or=(state.eq.done,n.gt.25)': [1],
  'or=(n.in.(10,20),note.eq."a,b")': [1, 2, 4],
  'labels=cs.{b}': [1, 2],
  'labels=cd.{a,b,z}': [1, 3],
  'labels=ov.{c,z}': [2],
  'labels=not.ov.{a}': [2, 3],
  'span=cs.[4,5)': [1, 2],
  'span=cd.[0,6)': [1, 3],
  'span=ov.[5,6)': [2],
  'doc=cs.{"tags":["x"]}': [1, 2],
  'doc=cd.{"status":"open","more":1}': [3],
  'doc->>status=eq.open': [1, 3],
  'doc->tags->>1=eq.y': [2],
  'doc->n->>deep=eq.1': [1],
  'doc->>missing=is.null': [1, 2, 3, 4],
  'state=eq.open,n=gte.20': [3],
  'note=eq."O\'Brien, \\"x\\""': [1],
  'note=in.("a,b",plain)': [2, 4],
  'state=isdistinct.open': [2, 4],
  'state=isdistinct.null': [1, 2, 3],
  'n=isdistinct.null': [1, 2, 3],
  'doc=not.isdistinct.null': [4],
  'note=not.like.pl%': [1, 4],
}

for (const kind of Object.keys(kinds)) {
  test(`${kind}: groups, contains, contained, overlaps and JSON paths`, async (t) => {
    const items = await table(t, 'id int primary key, state text, n int, labels text[], doc jsonb, span int4range, note text')
    const server = await serve(t, { tables: [items] })
    const client = connect(t, server, { kind })
    const got = {}
    await Promise.all(Object.keys(cases).map(async (filter, i) => {
      got[filter] = (await listen(client, `f${i}`, { event: 'INSERT', schema: 'public', table: items, filter })).events
    }))
    const { events: all } = await listen(client, 'all', { event: 'INSERT', schema: 'public', table: items })
    await database.query(`insert into ${items} values ${rows}`)
    await until(() => all.length === 4 && Object.entries(cases).every(([filter, ids]) => got[filter].length >= ids.length),
      `the rows, have ${JSON.stringify(Object.fromEntries(Object.entries(got).map(([filter, events]) => [filter, events.map((e) => e.new.id)])))}`)
    for (const [filter, ids] of Object.entries(cases)) assert.deepEqual(got[filter].map((e) => e.new.id), ids, filter)
  })
}

test('int8 and numeric come exactly as strings when asked for', async (t) => {
  const sums = await table(t, 'id int8 primary key, price numeric, small int')
  const server = await serve(t, { tables: [sums] })
  const client = connect(t, server)
  const binding = { event: '*', schema: 'public', table: sums }
  const { events: exact } = await listen(client, 'exact', { ...binding, filter: 'id=gt.9007199254740992', int8: 'string' })
  const { events: rounded } = await listen(client, 'rounded', binding)
  await database.query(`insert into ${sums} values (9007199254740993, 12345678901234567890.10, 7)`)
  await database.query(`delete from ${sums}`)
  await until(() => exact.length === 2 && rounded.length === 2, 'the row twice')
  assert.deepEqual(exact[0].new, { id: '9007199254740993', price: '12345678901234567890.10', small: 7 })
  assert.deepEqual(exact[1].old, { id: '9007199254740993' })
  assert.deepEqual(rounded[0].new, { id: 9007199254740992, price: 12345678901234567000, small: 7 })
})

test('one socket with 100 channels, and one channel with 100 bindings', async (t) => {
  const items = await table(t, 'id int primary key, room int')
  const server = await serve(t, { tables: [items] })
  const client = connect(t, server)
  const binding = (room) => ({ event: 'INSERT', schema: 'public', table: items, filter: `room=eq.${room}` })
  const rooms = Array.from({ length: 100 }, (_, room) => room)
  const channels = await Promise.all(rooms.map((room) => listen(client, `room-${room}`, binding(room))))
  const { events: many } = await listen(client, 'all-rooms', ...rooms.map(binding))
  await database.query(`insert into ${items} select n, n % 100 from generate_series(0, 299) n`)
  await until(() => many.length === 300 && channels.every(({ events }) => events.length === 3), 'three rows for each room')
  channels.forEach(({ events }, room) => assert.deepEqual(events.map((e) => e.new.id), [room, 100 + room, 200 + room]))
  assert.deepEqual(many.map((e) => [e.new.id, e.binding]), Array.from({ length: 300 }, (_, id) => [id, id % 100]))
})

test('a table that is made and published after the join flows without a new one', async (t) => {
  const here = await table(t, 'id int primary key')
  const later = `${here}_later`
  const server = await serve(t, { tables: [here] })
  const told = []
  const client = connect(t, server)
  const events = []
  const channel = client.channel('later').on('system', {}, (payload) => told.push(payload))
    .on('postgres_changes', { event: '*', schema: 'public', table: later }, (payload) => events.push(payload))
  await new Promise((resolve) => channel.subscribe((status) => status === 'SUBSCRIBED' && resolve()))
  const problem = await until(() => told.find((m) => m.extension === 'postgres_changes'), 'the problem to be told')
  assert.equal(problem.code, 'unknown_table')
  await database.query(`create table ${later} (id int primary key)`)
  t.after(() => database.query(`drop table ${later}`))
  await database.query(`grant all on ${later} to anon`)
  await database.query(`alter publication ${server.name} add table ${later}`)
  await database.query(`insert into ${later} values (1)`)
  await until(() => events.length === 1, 'the first row')
  assert.deepEqual(events[0].new, { id: 1 })
  await until(() => told.some((m) => m.message === 'Subscribed to PostgreSQL'), 'to be told')
})
