// Collections of the real TanStack DB with the client module, clients/js/tanstack.js.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BasicIndex, createCollection, createLiveQueryCollection, eq, gt, lower } from '@tanstack/db'
import { walcastCollectionOptions } from '../../clients/js/tanstack.js'
import { connect, soon } from './lib/clients.mjs'
import { database, table, transaction } from './lib/database.mjs'
import { relay } from './lib/relay.mjs'
import { serve } from './lib/server.mjs'
import { user } from './lib/tokens.mjs'
import { until, within } from './lib/until.mjs'
import { memory } from './lib/watch.mjs'

async function scene(t, { columns = 'id int primary key, n int, word text', after = [], rows } = {}) {
  const name = await table(t, columns, ...after)
  if (rows) await database.query(`insert into ${name} ${rows}`)
  const server = await serve(t, { tables: [name] })
  const between = await relay(t, server)
  const supabase = connect(t, between, { options: soon() })
  const collect = (options = {}) => {
    const collection = createCollection(walcastCollectionOptions({ supabase, table: name, getKey: (row) => row.id, ...options }))
    t.after(() => collection.cleanup())
    const { caughtUp } = collection.utils
    collection.utils.caughtUp = (xid) => within(caughtUp(xid), () => `caughtUp(${xid ?? ''}), have ${collection.status}`)
    return collection
  }
  /** The bindings of the joins, of which each is a live table. */
  const joins = () => between.said.filter((m) => m[3] === 'phx_join').map((m) => m[4].config.postgres_changes[0])
  return { name, between, supabase, collect, joins }
}

/** What a program at the server does: one statement, and the id of its transaction. */
const written = async (statement, values) =>
  (await database.query(`with done as (${statement}) select pg_current_xact_id()::text as xid`, values)).rows[0].xid

const ids = (collection) => [...collection.keys()].sort((a, b) => a - b)

/** A live query, loaded. */
async function query(t, build) {
  const live = createLiveQueryCollection(build)
  t.after(() => live.cleanup())
  await within(live.preload(), () => `the rows of a query, have ${live.status}`)
  return live
}

test('eager: the rows of the table, then whole transactions, also over a lost connection', async (t) => {
  const { collect, name, between } = await scene(t, { rows: `values (1, 60, 'a'), (2, 40, 'b')` })
  const collection = collect()
  await collection.preload()
  assert.equal(collection.status, 'ready')
  assert.deepEqual(collection.toArray.map(({ id, n, word }) => [id, n, word]), [[1, 60, 'a'], [2, 40, 'b']])
  const sums = []
  collection.subscribeChanges(() => sums.push(collection.toArray.reduce((sum, { n }) => sum + n, 0)))
  for (let turn = 0; turn < 10; turn++) {
    await transaction(async (connection) => {
      await connection.query(`update ${name} set n = n - 1 where id = 1`)
      await connection.query(`update ${name} set id = id + 1 where id = $1`, [2 + turn])
      await connection.query(`update ${name} set n = n + 1 where id = $1`, [3 + turn])
    })
    if (turn !== 4) continue
    await collection.utils.caughtUp()
    between.cut()
  }
  await collection.utils.caughtUp()
  assert.deepEqual(collection.toArray.map(({ id, n, word }) => [id, n, word]), [[1, 50, 'a'], [12, 50, 'b']])
  assert.ok(sums.length >= 5)
  for (const sum of sums) assert.equal(sum, 100)
  await collection.utils.caughtUp(await written(`delete from ${name} where id = 12`))
  assert.deepEqual(ids(collection), [1])
})

test('an optimistic write settles when it has come back, in one step', async (t) => {
  const { collect, name } = await scene(t, { rows: `values (1, 1, 'a')` })
  const collection = collect({
    onInsert: async ({ transaction: { mutations: [{ modified: { id, n } }] } }) =>
      ({ xid: await written(`insert into ${name} values ($1, $2, 'of the server')`, [id, n]) }),
    onUpdate: async ({ transaction: { mutations: [{ key, changes }] } }) =>
      ({ xid: [Number(await written(`update ${name} set n = $2 where id = $1`, [key, changes.n]))] }),
    onDelete: async ({ transaction: { mutations: [{ key }] } }) => ({ xid: BigInt(await written(`delete from ${name} where id = $1`, [key])) }),
  })
  await collection.preload()
  const seen = []
  collection.subscribeChanges((changes) => seen.push(...changes.map(({ type, key, value }) => [type, key, value.n, value.word].join(' '))))
  const insert = collection.insert({ id: 2, n: 2, word: 'optimistic' })
  assert.equal(collection.get(2).word, 'optimistic')
  await insert.isPersisted.promise
  assert.equal(collection.get(2).word, 'of the server')
  await collection.update(2, (row) => { row.n = 22 }).isPersisted.promise
  assert.equal(collection.get(2).n, 22)
  await collection.delete(2).isPersisted.promise
  assert.deepEqual(ids(collection), [1])
  await collection.utils.caughtUp()
  assert.deepEqual([...new Set(seen)], ['insert 2 2 optimistic', 'update 2 2 of the server', 'update 2 22 of the server', 'delete 2 22 of the server'])
})

test('a write that fails is taken back', async (t) => {
  const { collect } = await scene(t)
  const collection = collect({ onInsert: async () => { throw new Error('refused, as the test wants') } })
  await collection.preload()
  await assert.rejects(collection.insert({ id: 1, n: 1, word: 'a' }).isPersisted.promise, /refused/)
  assert.deepEqual(ids(collection), [])
})

test('what does not work is what preload says, and passes when it is mended', async (t) => {
  const { collect, name } = await scene(t, { rows: `values (1, 1, 'a')` })
  const { rows: [{ pubname }] } = await database.query('select pubname from pg_publication_tables where tablename = $1', [name])
  await database.query(`alter publication ${pubname} drop table ${name}`)
  const collection = collect()
  const fix = await collection.preload().then(() => assert.fail('it is not published'), (error) => error.fix ?? error.cause?.fix)
  assert.match(fix, /ALTER PUBLICATION/)
  assert.equal(collection.status, 'error')
  await database.query(fix)
  await until(() => collection.status === 'ready', () => `ready, have ${collection.status}`)
  assert.deepEqual(ids(collection), [1])
})

test('another user has other rows, and none of the one before', async (t) => {
  const [ann, bob] = ['a', 'b'].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`)
  const { collect, supabase, name } = await scene(t, {
    columns: 'id int primary key, owner uuid', rows: `values (1, '${ann}'), (2, '${bob}')`,
    after: ['alter table TABLE enable row level security', 'create policy mine on TABLE for select using (owner = (select auth.uid()))'],
  })
  let held = user(ann)
  supabase.realtime.accessToken = async () => held
  await supabase.realtime.setAuth()
  const collection = collect()
  await collection.preload()
  assert.deepEqual(ids(collection), [1])
  held = user(bob)
  await supabase.realtime.setAuth()
  await until(() => ids(collection).includes(2), () => `row 2, have ${ids(collection)}`)
  assert.deepEqual(ids(collection), [2])
  await collection.utils.caughtUp(await written(`insert into ${name} values (3, '${bob}')`))
  assert.deepEqual(ids(collection), [2, 3])
})

test('keys and filters are what the options say', async (t) => {
  const { collect, joins, name } = await scene(t, { columns: 'id int8 primary key, n int, word text', rows: `values (1, 1, 'a'), (9007199254740993, 2, 'b'), (3, 3, 'c')` })
  const collection = collect({ getKey: (row) => row.word, filter: 'n=lt.3', int8: 'string', id: 'of-words' })
  await collection.preload()
  assert.deepEqual([collection.id, collection.get('b').id, collection.size], ['of-words', '9007199254740993', 2])
  assert.equal(joins()[0].filter, 'n=lt.3')
  await collection.utils.caughtUp(await written(`update ${name} set word = 'z' where id = 1`))
  assert.deepEqual([...collection.keys()].sort(), ['b', 'z'])
  await collection.utils.caughtUp(await written(`update ${name} set word = case word when 'b' then 'z' else 'b' end where n < 3`))
  assert.deepEqual(['b', 'z'].map((word) => collection.get(word).n), [1, 2])
})

test('on demand: each query has its rows loaded, by filter, and shares what others have', async (t) => {
  const { collect, joins, name, supabase } = await scene(t, { rows: `select id, id % 5, 'w' || id from generate_series(1, 50) as id` })
  const collection = collect({ syncMode: 'on-demand' })
  const ofN = (n) => query(t, (q) => q.from({ row: collection }).where(({ row }) => eq(row.n, n)))
  const three = await ofN(3)
  assert.deepEqual(three.toArray.map(({ id }) => id).sort((a, b) => a - b), [3, 8, 13, 18, 23, 28, 33, 38, 43, 48])
  assert.equal(collection.size, 10)
  assert.deepEqual(joins().map(({ filter }) => filter), ['and=("n".eq."3")'])
  const large = await query(t, (q) => q.from({ row: collection }).where(({ row }) => gt(row.id, 40)))
  assert.deepEqual([large.size, collection.size], [10, 18])
  await collection.utils.caughtUp(await written(`insert into ${name} values (53, 3, 'new'), (54, 4, 'new'), (30, 3, 'x') on conflict (id) do nothing`))
  assert.deepEqual([three.size, large.size, collection.size], [11, 12, 20])
  await collection.utils.caughtUp(await written(`delete from ${name} where id = 48`)) // which both have
  assert.deepEqual([three.size, large.size, collection.size], [10, 11, 19])
  await large.cleanup()
  await until(() => collection.size === 10, () => `the rows of one query, have ${collection.size}`)
  await until(() => supabase.getChannels().length === 1, 'the channel to have gone')
})

test('on demand: what a filter cannot say is the whole table, once', async (t) => {
  const { collect, joins } = await scene(t, { rows: `select id, id, case when id < 3 then 'Small' else 'large' end from generate_series(1, 20) as id` })
  const collection = collect({ syncMode: 'on-demand', filter: 'n=lt.15' })
  const small = await query(t, (q) => q.from({ row: collection }).where(({ row }) => eq(lower(row.word), 'small')))
  const after = await query(t, (q) => q.from({ row: collection }).where(({ row }) => gt(row.word, 'b')))
  assert.deepEqual([small.size, after.size, collection.size], [2, 12, 14])
  assert.deepEqual(joins().map(({ filter }) => filter), ['n=lt.15'])
})

test('on demand: the first rows of an order are those up to the last that is wanted, and move up', async (t) => {
  const { collect, joins, name } = await scene(t, { rows: `select id, id / 2, 'w' || id from generate_series(1, 1000) as id` })
  const collection = collect({ syncMode: 'on-demand', autoIndex: 'eager', defaultIndexType: BasicIndex })
  const first = await query(t, (q) => q.from({ row: collection }).orderBy(({ row }) => row.n, 'desc').limit(3))
  const shown = () => first.toArray.map(({ n }) => n)
  assert.deepEqual(shown(), [500, 499, 499])
  assert.ok(collection.size < 60, `${collection.size} rows`)
  assert.ok(joins().some(({ order, limit }) => order.startsWith('"n".desc') && limit >= 3))
  await collection.utils.caughtUp(await written(`insert into ${name} values (2000, 900, 'new')`))
  assert.deepEqual(shown(), [900, 500, 499])
  await collection.utils.caughtUp(await written(`delete from ${name} where n > 490`))
  await until(() => shown().join() === '490,490,489', () => `the next rows, have ${shown()}`)
  assert.ok(collection.size < 60, `${collection.size} rows`)
})

test('on demand: text is sorted by the database otherwise than here, and so loaded whole', async (t) => {
  const { collect, joins } = await scene(t, { rows: `select id, id, case id % 2 when 0 then 'a' else 'B' end || id from generate_series(1, 200) as id` })
  const collection = collect({ syncMode: 'on-demand', autoIndex: 'eager', defaultIndexType: BasicIndex })
  const first = await query(t, (q) => q.from({ row: collection }).orderBy(({ row }) => row.word).limit(2))
  assert.deepEqual([first.size, collection.size], [2, 200])
  assert.equal(joins().at(-1).filter, undefined)
})

test('on demand: the first rows by a type that only Postgres sorts are found among all', async (t) => {
  const { collect, joins } = await scene(t, { columns: 'id int primary key, at inet', rows: `select id, ('10.0.0.' || id)::inet from generate_series(1, 100) as id` })
  const collection = collect({ syncMode: 'on-demand', autoIndex: 'eager', defaultIndexType: BasicIndex })
  const first = await query(t, (q) => q.from({ row: collection }).orderBy(({ row }) => row.at).limit(2))
  assert.deepEqual([first.size, collection.size], [2, 100])
  assert.equal(joins().at(-1).filter, undefined)
})

test('on demand: a query that does not work says why', async (t) => {
  const { collect } = await scene(t)
  const collection = collect({ syncMode: 'on-demand' })
  const build = (q) => q.from({ row: collection }).where(({ row }) => eq(row.colour, 'red'))
  const live = createLiveQueryCollection(build)
  t.after(() => live.cleanup())
  const error = await live.preload().then(() => undefined, (e) => e)
  const code = (e) => e && (e.code?.startsWith?.('unknown') ? e.code : code(e.cause))
  assert.equal(code(error), 'unknown_column', `${error}`)
})

test('on demand: a query that does not work holds up no write', async (t) => {
  const { collect, name } = await scene(t)
  const collection = collect({
    syncMode: 'on-demand', autoIndex: 'eager', defaultIndexType: BasicIndex,
    onInsert: async ({ transaction: { mutations: [{ modified: { id, n } }] } }) => ({ xid: await written(`insert into ${name} values ($1, $2)`, [id, n]) }),
  })
  const [all, broken] = [(q) => q.from({ row: collection }), (q) => q.from({ row: collection }).orderBy(({ row }) => row.colour).limit(2)].map(createLiveQueryCollection)
  for (const live of [all, broken]) {
    live.subscribeChanges(() => {}) // or it would soon be cleaned up
    t.after(() => live.cleanup())
  }
  await within(all.preload(), () => 'no rows')
  await assert.rejects(within(broken.preload(), () => 'the refusal'), /colour/)
  await within(collection.insert({ id: 1, n: 1, word: null }).isPersisted.promise, () => 'the write')
  assert.deepEqual([...all.keys()], [1])
})

test('what getKey throws is what preload says', async (t) => {
  const { collect } = await scene(t, { rows: `values (1, 1, 'a')` })
  const complaint = t.mock.method(console, 'error', () => {})
  const collection = collect({ getKey: () => { throw new Error('no key, as the test wants') } })
  await assert.rejects(within(collection.preload(), () => `rows, have ${collection.status}`), /no key/)
  assert.ok(complaint.mock.callCount() > 0)
})

for (const syncMode of ['eager', 'on-demand']) test(`${syncMode}: with a storage a reload shows the rows of before at once, and goes on`, async (t) => {
  const { collect, name, between } = await scene(t, { rows: `values (1, 1, 'a'), (2, 2, 'b')` })
  const storage = memory()
  const load = async () => {
    const collection = collect({ storage, syncMode })
    const live = createLiveQueryCollection((q) => q.from({ row: collection }).where(({ row }) => gt(row.n, 0)))
    t.after(() => live.cleanup())
    return { collection, live, loaded: live.preload() }
  }
  const before = await load()
  await before.loaded
  await before.live.cleanup()
  await before.collection.cleanup()
  between.cut({ open: false })
  await database.query(`delete from ${name} where id = 1; insert into ${name} values (3, 3, 'c')`)
  const after = await load()
  await until(() => ids(after.collection).length === 2, 'the rows of before')
  assert.deepEqual(ids(after.collection), [1, 2])
  between.open = true
  await after.loaded
  await until(() => ids(after.collection).join() === '2,3', () => `the rows of now, have ${ids(after.collection)}`)
})

test('a collection that is cleaned up leaves, and starts again', async (t) => {
  const { collect, supabase, name } = await scene(t, { rows: `values (1, 1, 'a')` })
  const collection = collect()
  await collection.preload()
  await collection.cleanup()
  await until(() => supabase.getChannels().length === 0, 'the channel to have gone')
  await database.query(`insert into ${name} values (2, 2, 'b')`)
  await collection.preload()
  assert.deepEqual(ids(collection), [1, 2])
})
