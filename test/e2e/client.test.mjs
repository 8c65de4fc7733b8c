// The client module, clients/js, with the real clients, through a proxy that cuts.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { resumable } from '../../clients/js/index.js'
import { connect, listen, rejoining, soon, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { insert, upTo, writer } from './lib/numbers.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** Follows the inserts of a table through a resumable channel. */
async function follow(t, server, numbered, { kind, onResync, topic = 'numbers', options, ...rest } = {}) {
  const followed = { ids: [], resyncs: [] }
  const client = connect(t, server, { kind, options: { ...soon(kind), ...options } })
  followed.client = client
  followed.channel = resumable(client.channel(topic), {
    onResync: async (resync) => {
      followed.resyncs.push(resync)
      await onResync?.(resync)
    },
    ...rest,
  }).on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => followed.ids.push(p.new.id))
  await subscribed(followed.channel)
  return followed
}

/** A storage in memory that counts its writes. */
const memory = () => ({
  items: new Map(), writes: 0,
  getItem(key) { return this.items.get(key) ?? null },
  setItem(key, value) { this.items.set(key, value); this.writes++ },
})

/** Some kB of a row that nobody of interest listens to: ten of them fill the log. */
const fill = (filler) => database.query(`insert into ${filler} values (repeat('x', 100000))`)
const smallLog = { flags: ['--log-size', '1MiB'], env: { GOMAXPROCS: '1' } } // with one processor there is one shard

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: connections cut while rows are written, and a kill -9 without a state directory: every row once, in order`, async (t) => {
    const numbered = await table(t, 'id int primary key')
    const server = await serve(t, { tables: [numbered] })
    const wire = await proxy(t, server.port)
    const { ids, resyncs } = await follow(t, wire, numbered, { kind })
    const rows = writer(numbered)
    for (let i = 1; i <= 5; i++) {
      const behind = rows.last + 10
      await until(() => ids.length >= behind, `row ${behind}, have ${ids.at(-1)}`)
      wire.cut()
    }
    await until(() => ids.length >= rows.last, 'the rows of before the kill')
    await server.end('SIGKILL')
    await rm(server.state, { recursive: true })
    const before = rows.last
    await until(() => rows.last >= before + 20, 'rows while the server is away')
    await server.start()
    const last = await rows.stop()
    await until(() => ids.length >= last, `${last} rows, have ${ids.length}`)
    await insert(numbered, last + 1)
    await until(() => ids.includes(last + 1), 'a row after all')
    assert.deepEqual(ids, upTo(last + 1))
    assert.deepEqual(resyncs, [])
  })
}

test('bindings that see different columns each get every row once', async (t) => {
  const numbered = await table(t, 'id int primary key, word text')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const client = connect(t, wire, { options: soon() })
  const got = { all: [], narrow: [], even: [] }
  const binding = { event: 'INSERT', schema: 'public', table: numbered }
  await subscribed(resumable(client.channel('numbers'), { onResync: assert.fail })
    .on('postgres_changes', binding, (p) => got.all.push(p.new))
    .on('postgres_changes', { ...binding, select: ['id'] }, (p) => got.narrow.push(p.new))
    .on('postgres_changes', { ...binding, filter: 'word=eq.even' }, (p) => got.even.push(p.new.id)))
  for (let id = 1; id <= 40; id++) {
    await database.query(`insert into ${numbered} values ($1, $2)`, [id, id % 2 ? 'odd' : 'even'])
    if (id % 8 === 0) wire.cut()
  }
  const all = upTo(40).map((id) => ({ id, word: id % 2 ? 'odd' : 'even' }))
  await until(() => got.narrow.length >= 40 && got.all.length >= 40 && got.even.length >= 20, 'all rows')
  await database.query(`insert into ${numbered} values (41, 'odd')`)
  await until(() => got.all.length > 40 && got.narrow.length > 40, 'a row after all')
  assert.deepEqual(got, {
    all: [...all, { id: 41, word: 'odd' }], narrow: upTo(41).map((id) => ({ id })), even: upTo(20).map((n) => 2 * n),
  })
})

test('a position that has left the log calls onResync, and again until it comes to a good end', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const filler = await table(t, 'word text')
  const server = await serve(t, { tables: [numbered, filler], ...smallLog })
  const wire = await proxy(t, server.port)
  let fails = true
  const { ids, resyncs } = await follow(t, wire, numbered, { onResync: () => { if (fails) throw new Error('the refetch failed, as the test wants') } })
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  wire.cut({ open: false })
  await insert(numbered, 2)
  for (let n = 0; n < 20; n++) await fill(filler)
  wire.open = true
  await until(() => resyncs.length === 1, 'the resync')
  const { from, oldest, position, ...words } = resyncs[0]
  assert.deepEqual(words, { code: 'position_too_old', reason: words.reason })
  assert.match(words.reason, /^[a-z].+/)
  for (const p of [from, oldest, position]) assert.match(p, /^[0-9A-F]+\/[0-9A-F]+:\d+$/)
  await insert(numbered, 3)
  await until(() => ids.includes(3), 'a row after the resync')
  fails = false
  wire.cut()
  await until(() => resyncs.length === 2, 'the resync to be told again')
  assert.equal(resyncs[1].from, from)
  await insert(numbered, 4)
  await until(() => ids.includes(4), 'a row after the second resync')
  wire.cut()
  await insert(numbered, 5)
  await until(() => ids.includes(5), 'a row after another cut')
  assert.deepEqual(ids, [1, 3, 4, 5])
  assert.equal(resyncs.length, 2)
})

test('without onResync a loss is written to the console', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const written = t.mock.method(console, 'error', () => {})
  const ids = []
  const storage = { getItem: () => 'no position', setItem() {} }
  const channel = resumable(connect(t, server).channel('numbers'), { storage })
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (change) => ids.push(change.new.id))
  await subscribed(channel)
  await until(() => written.mock.callCount() > 0, 'a word')
  assert.match(written.mock.calls[0].arguments[0], /row changes were missed, and there is no onResync/)
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the row after it')
})

test('a quiet channel asks how far it is, and keeps its place while the log moves on', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const filler = await table(t, 'word text')
  const server = await serve(t, { tables: [numbered, filler], ...smallLog })
  const wire = await proxy(t, server.port)
  const { setTimeout } = globalThis // every 25 s is too seldom for a test; heartbeats stay as they are
  const options = { heartbeatIntervalMs: 24_000 }
  t.after(() => { globalThis.setTimeout = setTimeout })
  globalThis.setTimeout = (f, ms, ...rest) => setTimeout(f, ms === 25_000 ? 50 : ms, ...rest)
  const storage = memory()
  const { ids, resyncs } = await follow(t, wire, numbered, { storage, options })
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  const others = await listen(connect(t, server, { options }), 'others', { event: 'INSERT', schema: 'public', table: filler })
  for (let n = 1; n <= 20; n++) {
    await fill(filler)
    await until(() => others.events.length === n, 'the server to have read so far')
  }
  const { rows: [{ lsn }] } = await database.query('select pg_current_wal_lsn() as lsn')
  const size = (text) => text.split(/[/:]/).slice(0, 2).reduce((sum, part) => sum * 2 ** 32 + parseInt(part, 16), 0)
  await until(() => size(storage.getItem('walcast:realtime:numbers') ?? '0/0:0') >= size(lsn) - 8, 'the position to move on')
  wire.cut({ open: false })
  await insert(numbered, 2)
  wire.open = true
  await until(() => ids.length === 2, 'the missed row')
  assert.deepEqual(ids, [1, 2])
  assert.deepEqual(resyncs, [])
})

test('a storage keeps the position over a reload, and is written seldom', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const storage = memory()
  const before = await follow(t, server, numbered, { storage, key: 'place' })
  const start = Date.now()
  for (const id of upTo(100)) await insert(numbered, id)
  await until(() => before.ids.length === 100, 'the rows before the reload')
  await before.channel.unsubscribe() // writes what is not written yet
  assert.ok(storage.writes <= 2 + (Date.now() - start) / 1000, `${storage.writes} writes`)
  await insert(numbered, 101, 102)
  const after = await follow(t, server, numbered, { storage, key: 'place' })
  await insert(numbered, 103)
  await until(() => after.ids.length >= 3, 'the rows after the reload')
  assert.deepEqual(after.ids, [101, 102, 103])
  assert.deepEqual([...before.resyncs, ...after.resyncs], [])
  assert.deepEqual([...storage.items.keys()], ['place'])
})

test('the end of the page writes the position; a full storage is no matter', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const page = new EventTarget()
  for (const name of ['addEventListener', 'removeEventListener']) {
    globalThis[name] = page[name].bind(page)
    t.after(() => { delete globalThis[name] })
  }
  const storage = memory()
  const { ids, channel } = await follow(t, server, numbered, { storage })
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the row')
  const { writes } = storage
  page.dispatchEvent(new Event('pagehide'))
  assert.equal(storage.writes, writes + 1)
  const complaint = t.mock.method(console, 'error', () => {})
  storage.setItem = () => { throw new Error('full') }
  await insert(numbered, 2)
  await until(() => ids.length === 2, 'the second row')
  page.dispatchEvent(new Event('pagehide'))
  await insert(numbered, 3)
  await until(() => ids.length === 3, 'the third row')
  page.dispatchEvent(new Event('pagehide'))
  assert.equal(complaint.mock.callCount(), 1)
  let kept = 0
  storage.setItem = () => { kept++ } // it is not full any more
  await insert(numbered, 4)
  await until(() => ids.length === 4, 'the fourth row')
  await channel.unsubscribe()
  page.dispatchEvent(new Event('pagehide'))
  assert.equal(kept, 1) // by the leave; after it the page is no matter
})

test('a new token goes with the next join, and the position too', async (t) => {
  const numbered = await table(t, 'id int primary key, owner uuid',
    'alter table TABLE enable row level security', 'create policy mine on TABLE for select using (owner = (select auth.uid()))')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const { client, ids, resyncs } = await follow(t, wire, numbered)
  const sub = '7d7a8a3e-0c54-4d4f-9a75-3f8fb0a4c0de'
  const fresh = token({ role: 'authenticated', sub })
  client.realtime.accessToken = async () => fresh // as the session of a user who has signed in
  await client.realtime.setAuth()
  wire.cut({ open: false })
  for (const [id, owner] of [[1, sub], [2, '00000000-0000-0000-0000-000000000000'], [3, sub]]) {
    await database.query(`insert into ${numbered} values ($1, $2)`, [id, owner])
  }
  wire.open = true
  await until(() => ids.length >= 2, 'the rows of the new subject')
  assert.deepEqual(ids, [1, 3])
  assert.deepEqual(resyncs, [])
})

test('with a client_id too, a kill -9 calls onResync for the broadcasts, and every row comes once', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const { ids, resyncs } = await follow(t, wire, numbered, { options: { params: { client_id: `tab-${process.pid}` } } })
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  wire.cut({ open: false })
  await server.end('SIGKILL')
  await insert(numbered, 2, 3)
  await server.start()
  wire.open = true
  await until(() => ids.length === 3 && resyncs.length === 1, 'the rows and the resync')
  assert.deepEqual([resyncs[0].from, resyncs[0].code], [null, 'unknown_position'])
  wire.cut()
  await insert(numbered, 4)
  await until(() => ids.includes(4), 'a row after another cut')
  assert.deepEqual(ids, [1, 2, 3, 4])
})

test('a token that expires ends the channel, and the next join goes on', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const client = connect(t, server, { options: soon() })
  let held = token()
  let short
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const ids = []
  const said = []
  const channel = resumable(client.channel('numbers'), { onResync: assert.fail })
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => ids.push(p.new.id))
  let joins = 0
  channel.joinPush.receive('ok', () => { joins++ })
  channel.subscribe((status, error) => {
    said.push(status)
    if (status !== 'CHANNEL_ERROR' || held !== short) return
    held = token()
    insert(numbered, 2).then(() => client.realtime.setAuth()) // while the channel is not joined
  })
  await until(() => joins === 1, 'the join')
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  held = short = token({}, { ttl: 3 })
  await client.realtime.setAuth()
  await until(() => ids.length >= 2 && joins >= 2, `the row of the time between, heard ${said}`)
  await insert(numbered, 3)
  await until(() => ids.includes(3), 'a row after the second join')
  assert.deepEqual(ids, [1, 2, 3])
})

test('a slot that was dropped calls onResync, and the positions of the new one count', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const { ids, resyncs } = await follow(t, wire, numbered)
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  assert.equal(await server.end('SIGTERM'), 0)
  await insert(numbered, 2)
  await database.query('select pg_drop_replication_slot($1)', [server.name])
  await server.start()
  await until(() => resyncs.length === 1, 'the resync')
  await insert(numbered, 3)
  await until(() => ids.includes(3), 'a row after the resync')
  wire.cut()
  await insert(numbered, 4)
  await until(() => ids.includes(4), 'a row after another drop')
  assert.deepEqual(ids, [1, 3, 4])
  assert.equal(resyncs.length, 1)
})

test('from one server of a database to another and back, whatever else they publish: every row comes, in order', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const other = await table(t, 'word text')
  const a = await serve(t, { tables: [numbered] })
  const b = await serve(t, { tables: [other, numbered] })
  const wire = await proxy(t, a.port)
  const storage = memory()
  const { ids, resyncs } = await follow(t, wire, numbered, { storage })
  for (let n = 1, turn = 0; turn < 4; turn++, n += 3) {
    await database.query(`begin; insert into ${other} values ('x'); insert into ${numbered} values (${n}); insert into ${other} values ('x');
      insert into ${numbered} values (${n + 1}); commit`)
    await until(() => ids.includes(n + 1), `row ${n + 1}, have ${ids}`)
    wire.cut({ open: false })
    wire.to = wire.to === a.port ? b.port : a.port
    await insert(numbered, n + 2)
    wire.open = true
    await until(() => ids.includes(n + 2), `row ${n + 2}, have ${ids}`)
  }
  assert.deepEqual([...new Set(ids)], upTo(12))
  assert.deepEqual(resyncs, [])
  await until(() => / \d+\./.test(storage.getItem('walcast:realtime:numbers')), 'the history to be stored')
})

test('a kept position of another cluster calls onResync, though the server has such a position', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const storage = memory()
  const before = await follow(t, server, numbered, { storage })
  await insert(numbered, 1)
  await until(() => before.ids.length === 1, 'the row')
  await before.channel.unsubscribe() // writes what is not written yet
  storage.items.set('walcast:realtime:numbers', storage.getItem('walcast:realtime:numbers').replace(' ', ' 7'))
  const { ids, resyncs } = await follow(t, server, numbered, { storage })
  await until(() => resyncs.length === 1, 'the resync')
  assert.equal(resyncs[0].code, 'other_cluster')
  await insert(numbered, 2)
  await until(() => ids.length === 1, 'a row after the resync')
  assert.deepEqual(ids, [2])
})

test('it says what it needs', async (t) => {
  const server = await serve(t)
  const client = connect(t, server)
  const channel = client.channel('any')
  assert.throws(() => resumable(channel, { onResync: 'later' }), /onResync is to be a function/)
  assert.throws(() => resumable({ topic: 'x' }, { onResync() {} }), /not a channel of a supabase-js that is known/)
  assert.equal(resumable(channel, { onResync() {} }), channel)
  await subscribed(channel)
  assert.throws(() => resumable(channel, { onResync() {} }), /before subscribe/)
})

test('realtime-js 2.11.15 does not join again by itself: a new channel with the same storage goes on', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const wire = await proxy(t, server.port)
  const client = connect(t, wire, { kind: 'realtime-js 2.11', options: soon('realtime-js 2.11') })
  const storage = memory()
  const ids = []
  const join = () => {
    const channel = resumable(client.channel('numbers'), { onResync: assert.fail, storage })
      .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => ids.push(p.new.id))
    channel.subscribe((status) => {
      if (status === 'CHANNEL_ERROR') client.removeChannel(channel).then(() => setTimeout(join, 50))
    })
  }
  join()
  await until(() => storage.items.size === 1, 'the first position to be stored')
  await insert(numbered, 1)
  await until(() => ids.length === 1, 'the first row')
  wire.cut({ open: false })
  await insert(numbered, 2)
  wire.open = true
  await until(() => ids.length === 2, 'the missed row')
  assert.deepEqual(ids, [1, 2])
})
