// The order of live tables by columns of all types, against Postgres' ORDER BY: as the rows come first, and as changes put them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { database, transaction } from './lib/database.mjs'
import { until } from './lib/until.mjs'
import { scene, watch } from './lib/watch.mjs'

/** Values of the types that the client sorts, as literals. Of each type some are written first, and some by changes. */
const values = {
  int2: ['-32768', '0', '9', '10', '32767'],
  int4: ['-1', '0', '9', '10', '100'],
  int8: ['-9223372036854775808', '9007199254740993', '9007199254740992', '10', '9'],
  oid: ['1', '4294967295', '10', '9', '2'],
  numeric: ['NaN', '-1.50', '1e30', '123456789012345678901234567890.1', '123456789012345678901234567890.2', '0.1', '-1e-20', '-1', '10', '9'],
  float4: ['NaN', '-Infinity', 'Infinity', '1e30', '-1.5', '0', '0.1'],
  float8: ['NaN', '-Infinity', 'Infinity', '1e300', '-1.5', '0', '1e-300'],
  bool: ['true', 'false'],
  uuid: ['00000000-0000-4000-8000-00000000000a', 'ffffffff-0000-4000-8000-000000000000', 'a0000000-0000-4000-8000-000000000009', '0a000000-0000-4000-8000-000000000009'],
  bytea: ['\\x', '\\x00', '\\x0001', '\\xff', '\\x7f', '\\x80'],
  date: ['-infinity', 'infinity', '0044-03-15 BC', '0043-12-01 BC', '0001-01-01', '2026-02-01', '2026-01-31', '10000-01-01', '99999-01-01'],
  time: ['00:00', '24:00', '12:00:00.5', '12:00:00.05', '12:00'],
  timestamp: ['-infinity', 'infinity', '0044-03-15 12:00 BC', '2026-01-01 00:00:00.1', '2026-01-01', '2026-01-01 00:00:00.12', '10000-01-01'],
  timestamptz: ['-infinity', 'infinity', '0044-03-15 12:00 BC', '2026-01-01 00:00:00.1+02', '2026-01-01 00:00+02', '2025-12-31 23:00+00', '10000-01-01'],
  macaddr: ['08:00:2b:01:02:03', '00:ff:00:00:00:00', 'ff:00:00:00:00:00'],
  macaddr8: ['08:00:2b:01:02:03:04:05', '00:ff:00:00:00:00:00:00', 'ff:00:00:00:00:00:00:00'],
  'bit(3)': ['000', '101', '011', '111'],
  varbit: ['', '0', '00', '000000001', '1', '10', '01', '0000000000'],
  mood: ['happy', 'sad', 'ok'],
  feeling: ['happy', 'sad', 'ok'],
  'text collate "C"': ['', 'a', 'B', 'Z', 'é', 'z', 'a b', '\uffee', '😀', '𐀀'],
  'name collate "C"': ['', 'a', 'B', 'Z', 'é'],
  'char(4) collate "C"': ['', 'a', 'B', 'ab', 'z'],
  'text collate "en-x-icu"': ['', 'a', 'A', 'b', 'B', 'É', 'e', 'f', 'z', 'ab', 'a b'],
  'text collate "sv-x-icu"': ['a', 'z', 'å', 'ä', 'ö', 'Z', 'o'],
  'varchar': ['a', 'b', 'C', 'd', 'E'],
}

/** What only Postgres sorts. */
const others = ['interval', 'timetz', 'inet', 'cidr', 'money', 'int4range', 'int4multirange', 'int4[]', 'text[]', 'pg_lsn', 'tsvector', 'pair', 'text collate alike']

const column = (i) => `c${i}`

/** A table with a column of each type, which are the keys; rows have an id and the values of some turn. */
async function typed(t, types, options) {
  await database.query(`drop type if exists mood, pair cascade; drop collation if exists alike; create type mood as enum ('sad', 'ok', 'happy'); create domain feeling as mood;
    create type pair as (a int, b int); create collation alike (provider = icu, locale = 'und', deterministic = false)`)
  t.after(() => database.query('drop type mood, pair cascade; drop collation if exists alike cascade'))
  return scene(t, { columns: ['id int primary key', ...types.map((type, i) => `${column(i)} ${type}`)].join(), ...options })
}

const write = (connection, name, id, turn) => connection.query(
  `insert into ${name} values (${id}, ${Object.values(values).map((of) => (turn % 7 === 3 ? 'null' : `'${of[turn % of.length].replace("'", "''")}'`)).join()})
    on conflict (id) do update set ${Object.keys(values).map((_, i) => `${column(i)} = excluded.${column(i)}`).join()}`)

for (const int8 of [undefined, 'string']) test(`rows are sorted as Postgres does it, int8 as ${int8 ?? 'numbers'}`, async (t) => {
  const types = Object.keys(values)
  const { name, client } = await typed(t, types)
  await transaction(async (connection) => { for (let id = 0; id < 12; id++) await write(connection, name, id, id) })
  const orders = ['', '.desc', '.nullsfirst', '.desc.nullslast'].flatMap((how, turn) => types.flatMap((_, i) => (i % 4 === turn || turn === 0 ? [`${column(i)}${how}`] : [])))
  const lives = orders.map((order) => [order, watch(t, client, { table: name, order: `${order},id`, int8 })])
  const check = async () => {
    for (const [order, { live, is }] of lives) {
      await is('live')
      await live.caughtUp()
      const sql = order.replace('.desc', ' desc').replace('.nulls', ' nulls ')
      const { rows } = await database.query(`select id, ${sql.split(' ')[0]}::text as value from ${name} order by ${sql}, id`)
      const type = types[Number(/\d+/.exec(order)[0])]
      const double = int8 === undefined && /int8|numeric/.test(type) // where two that a double cannot tell apart are taken for equal
      const seen = double ? live.rows.map((row) => String(row[column(types.indexOf(type))])) : live.rows.map(({ id }) => id)
      const expected = double ? rows.map(({ value }) => String(value === null || value === 'NaN' ? value : Number(value))) : rows.map(({ id }) => id)
      assert.deepEqual(seen, expected, `${type} in the order ${order}: ${rows.map(({ value }) => value).join(' ')}, have ${live.rows.map((row) => row[column(types.indexOf(type))]).join(' ')}`)
    }
  }
  await check()
  for (let turn = 0; turn < 6; turn++) {
    await transaction(async (connection) => {
      for (let n = 0; n < 4; n++) await write(connection, name, turn * 3 + n * 2, turn * 5 + n * 3 + 1)
      await connection.query(`delete from ${name} where id = $1`, [turn])
    })
  }
  await check()
})

test('the first rows of an order are those of Postgres', async (t) => {
  const types = Object.keys(values)
  const { name, client } = await typed(t, types)
  await transaction(async (connection) => { for (let id = 0; id < 30; id++) await write(connection, name, id, id) })
  const lives = types.flatMap((_, i) => ['', '.desc.nullslast'].map((how) => [`${column(i)}${how}`, watch(t, client, { table: name, order: `${column(i)}${how},id`, limit: 4, int8: 'string' })]))
  for (let turn = 0; turn < 2; turn++) {
    for (const [order, { live, is, ids }] of lives) {
      await is('live')
      const { rows } = await database.query(`select id from ${name} order by ${order.replace('.desc', ' desc').replace('.nulls', ' nulls ')}, id limit 4`)
      const expected = rows.map(({ id }) => id).join()
      await until(() => ids().join() === expected && live.status === 'live', () => `${expected} in the order ${order} of ${types[Number(/\d+/.exec(order)[0])]}, have ${ids()}, ${live.error}`)
    }
    await database.query(`delete from ${name} where id % 3 = 0`)
  }
})

test('what only Postgres can sort is said, and no rows are shown', async (t) => {
  const { name, client, between } = await typed(t, others)
  await database.query(`insert into ${name} (id) values (1)`)
  for (const [i, type] of others.entries()) {
    const { live, is } = watch(t, client, { table: name, order: column(i), limit: i % 2 ? 1 : undefined })
    await is('loading', 'unsortable_order')
    assert.match(live.error.message, new RegExp(`order of ${column(i)}: only Postgres knows how \\S+ is sorted`), type)
    await assert.rejects(live.caughtUp(), { code: 'unsortable_order' })
    assert.deepEqual(live.rows, [])
    live.close()
  }
  assert.equal(between.resumes.length, others.length)
})

test('a new label brings the rows anew, in its order', async (t) => {
  const { name, client, between } = await typed(t, ['mood'])
  await database.query(`insert into ${name} values (1, 'happy'), (2, 'sad')`)
  const { live, is, told } = watch(t, client, { table: name, order: column(0) })
  await is('live')
  await database.query(`alter type mood add value 'content' before 'happy'`)
  await database.query(`insert into ${name} values (3, 'content')`)
  await until(() => live.rows.length === 3 && live.status === 'live', 'the row')
  assert.deepEqual(live.rows.map(({ c0 }) => c0), ['sad', 'content', 'happy'])
  assert.ok(told.every(({ rows }) => rows.length !== 3 || rows[1].c0 === 'content'))
  assert.ok(between.resumes.length >= 2, 'it joins anew') // and once more if it shares the snapshot that it had, as within 100 ms
})

test('a limit by text of a collation of its own has the right rows, and so does one by an enum', async (t) => {
  const { name, client, between } = await typed(t, ['text collate "C"', 'mood'])
  await database.query(`insert into ${name} select id, case id % 2 when 0 then 'a' else 'Z' end || id, (array['happy', 'sad', 'ok'])[1 + id % 3]::mood from generate_series(1, 300) as id`)
  for (const order of [column(0), `${column(1)}.desc`]) {
    const { live, is, ids } = watch(t, client, { table: name, order: `${order},id`, limit: 3 })
    await is('live')
    const expected = async () => (await database.query(`select id from ${name} order by ${order.replace('.', ' ')}, id limit 3`)).rows.map(({ id }) => id)
    assert.deepEqual(ids(), await expected())
    await database.query(`delete from ${name} where id = $1`, [ids()[0]])
    await live.caughtUp()
    await until(() => live.rows.length === 3, 'the rows')
    assert.deepEqual(ids(), await expected())
  }
  assert.ok(between.said.some((m) => m[4].config?.postgres_changes[0].filter === `or=("c1".gte."happy","c1".is.null)`))
})
