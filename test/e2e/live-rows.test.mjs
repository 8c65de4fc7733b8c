// The rows of a live table and their order, without a server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparator, horizonOf, parseOrder, sorterOf } from '../../clients/js/order.js'
import { Rows } from '../../clients/js/rows.js'

/** Types by column, as snapshot_begin says them for the terms of an order. */
const types = { id: 'int4', n: 'float8', word: 'text', mood: 'mood' }
const sortsOf = (terms) => terms.map(({ column }) => ({
  type: types[column], ...(column === 'word' && { collation: { locale: 'en-US', default: true } }), ...(column === 'mood' && { labels: ['sad', 'ok', 'happy'] }),
}))
const rowsOf = ({ order, limit } = {}) => {
  const rows = new Rows(parseOrder(order), limit)
  rows.sorts = sortsOf(parseOrder(order))
  return rows
}
const snapshot = (rows, ...records) => {
  rows.begin(['id'], rows.sorts)
  for (const record of records) rows.take({ type: 'INSERT', record, snapshot: true })
  return rows.end()
}
const insert = (record) => ({ type: 'INSERT', record })
const update = (record, old = { id: record.id }, more = {}) => ({ type: 'UPDATE', record, old_record: old, ...more })
const remove = (id) => ({ type: 'DELETE', old_record: { id } })
const commit = (rows, ...changes) => {
  changes.forEach((change) => rows.take(change))
  return rows.commit()
}
const ids = (rows) => rows.list.map(({ id }) => id)

/** Each is sorted as Postgres does it; order-types.test.mjs holds that to Postgres. */
const [english, bytes] = ['en-US', 'C'].map((locale) => ({ type: 'text', collation: { locale } }))
const orders = [
  ['n', { type: 'float8' }, ['-Infinity', -1, 0, 0.5, 10, 9e99, 'Infinity', 'NaN', null]],
  ['n.desc', { type: 'float8' }, ['NaN', 10, 9, -1]],
  ['n.asc.nullsfirst', { type: 'int4' }, [null, 1, 2]],
  ['n', { type: 'int4' }, [1, 2, null]],
  ['n.desc', { type: 'int4' }, [null, 2, 1]],
  ['n.desc.nullslast', { type: 'int4' }, [2, 1, null]],
  ['n.nullsfirst', { type: 'int4' }, [null, 1]],
  ['n', { type: 'bool' }, [false, true, null]],
  ['n', { type: 'int8' }, ['-1', '9', '10', '9007199254740992', '9007199254740993']],
  ['n', { type: 'numeric' }, ['-Infinity', '-0.50000000000000000001', '-0.5', '-0.25', '0', '0.30000000000000000001', '0.30000000000000000002', '12', '1' + '0'.repeat(20), 'Infinity', 'NaN']],
  ['word', english, ['', 'a', 'B', 'c', 'É', 'f']],
  ['word', bytes, ['', 'B', 'a', 'É', '\uffff', '😀']],
  ['word', { type: 'bpchar', collation: { locale: 'C' } }, ['a  ', 'b', 'c ']],
  ['word', { type: 'citext', collation: { locale: 'C' } }, ['a', 'B', 'c']],
  ['mood', { type: 'mood', labels: ['sad', 'ok', 'happy'] }, ['sad', 'ok', 'happy', null]],
  ['at', { type: 'timestamptz' }, ['-infinity', '0044-03-15T00:00:00+00:00 BC', '0043-01-01T00:00:00+00:00 BC', '0001-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00',
    '2026-01-01T00:00:00.1+00:00', '2026-01-01T00:00:00.12+00:00', '2026-01-01T00:00:01+00:00', '10000-01-01T00:00:00+00:00', 'infinity']],
  ['data->n', { type: 'jsonb', collation: { locale: 'C' } }, [{ n: null }, { n: 'a' }, { n: 'b' }, { n: 1 }, { n: 2 }, { n: 10 }, { n: false }, { n: true }, { n: [1] }, { n: [1, 2] }, { n: { a: 1 } }, {}]],
  ['data->0', { type: 'jsonb', collation: { locale: 'C' } }, [[1], [2], { 0: 1 }]],
  ['data->-1->a', { type: 'jsonb', collation: { locale: 'C' } }, [[9, { a: 1 }], [{ a: 2 }], [{ a: 3 }, 1]]],
  ['data->>a', bytes, [{ a: 10 }, { a: 9 }, { a: 'x' }, { a: 'y' }, null]],
  ['data->>a', bytes, [{ a: 'z' }, { a: null }]],
  ['"word".desc', english, ['b', 'a']],
]
for (const [order, sort, sorted] of orders) {
  test(`order ${order}: ${JSON.stringify(sorted)}`, () => {
    const terms = parseOrder(order)
    const rows = sorted.map((value, id) => ({ id, [terms[0].column]: value }))
    const compare = comparator(terms, [sort], ['id'])
    assert.deepEqual([...rows].reverse().sort(compare), rows)
  })
}

test('what only Postgres can sort is not sorted', () => {
  for (const sort of [undefined, ...['interval', 'timetz', 'inet', 'cidr', 'money', 'int4range', '_int4', '_text', 'pg_lsn', 'tsvector'].map((type) => ({ type, collation: { locale: 'C' } })),
    { type: 'text', collation: { locale: '' } }, { type: 'text', collation: { locale: 'not_a-language!' } }, { type: 'text' }]) assert.equal(sorterOf(sort), undefined, JSON.stringify(sort))
})

test('a label that the enum did not have is told, as others may stand elsewhere by now too', () => {
  const rows = rowsOf({ order: 'mood' })
  snapshot(rows, { id: 1, mood: 'ok' })
  assert.ok(rows.take(insert({ id: 2, mood: 'sad' })) && rows.take(insert({ id: 3, mood: null })) && rows.take(remove(1)))
  assert.equal(rows.take(update({ id: 2, mood: 'content' })), false)
})

test('an order is read as the server does; what it refuses is none', () => {
  const term = (column, isDescending = false, nullsFirst = isDescending) => ({ column, path: [], isDescending, nullsFirst })
  assert.deepEqual(parseOrder('created_at.desc, id.asc'), [term('created_at', true), term('id')])
  assert.deepEqual(parseOrder('"a.b,\\"c".desc.nullslast,d'), [term('a.b,"c', true, false), term('d')])
  assert.deepEqual(parseOrder(undefined), [])
  assert.deepEqual(parseOrder('a.sideways'), [])
})

test('changes show when their transaction ends, and not before', () => {
  const rows = rowsOf({ order: 'n' })
  snapshot(rows, { id: 1, n: 1 }, { id: 2, n: 2 })
  const before = rows.list
  rows.take(update({ id: 1, n: 3 }))
  assert.equal(rows.list, before)
  assert.ok(!rows.isWhole)
  rows.take(insert({ id: 3, n: 0 }))
  assert.deepEqual(rows.commit(), [[{ id: 1, n: 1 }, { id: 1, n: 3 }], [undefined, { id: 3, n: 0 }]])
  assert.deepEqual(rows.list, [{ id: 3, n: 0 }, { id: 2, n: 2 }, { id: 1, n: 3 }])
  assert.equal(rows.list[1], before[1])
  assert.ok(rows.isWhole)
})

test('what a transaction leaves as it was is no change', () => {
  const rows = rowsOf({})
  snapshot(rows, { id: 1, data: { a: [1, null] } })
  const before = rows.list
  assert.deepEqual(commit(rows, update({ id: 1, data: { a: [1, null] } }), insert({ id: 2 }), remove(2)), [])
  assert.equal(rows.list, before)
  commit(rows, update({ id: 1, data: { a: [1, 0] } }), update({ id: 1, data: { a: [1, null] } }))
  assert.equal(rows.list[0], before[0])
})

test('an UPDATE of the key moves the row; values that are not in the WAL are those that the row had', () => {
  const rows = rowsOf({})
  snapshot(rows, { id: 1, word: 'long' }, { id: 2, word: 'b' })
  commit(rows, update({ id: 5, n: 1 }, { id: 1 }, { unchanged: ['word'] }))
  assert.deepEqual(rows.list, [{ id: 2, word: 'b' }, { id: 5, n: 1, word: 'long' }])
  commit(rows, update({ id: 5, n: 2 }, { id: 5 }, { unchanged: ['word'] }), remove(2))
  assert.deepEqual(rows.list, [{ id: 5, n: 2, word: 'long' }])
})

test('a snapshot replaces all in one step, and rows that are as before stay the same objects', () => {
  const rows = rowsOf({ order: 'id' })
  snapshot(rows, { id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 })
  const before = rows.list
  rows.take(insert({ id: 9, n: 9 })) // of a transaction that was cut
  rows.begin(['id'], rows.sorts)
  rows.take({ type: 'INSERT', record: { id: 2, n: 2 }, snapshot: true })
  assert.equal(rows.list, before)
  rows.take({ type: 'INSERT', record: { id: 3, n: 30 }, snapshot: true })
  assert.deepEqual(rows.end(), [[{ id: 1, n: 1 }, undefined], [{ id: 3, n: 3 }, { id: 3, n: 30 }]])
  assert.deepEqual(rows.list, [{ id: 2, n: 2 }, { id: 3, n: 30 }])
  assert.equal(rows.list[0], before[1])
})

test('without a snapshot there are no rows; one that does not end shows nothing', () => {
  const rows = rowsOf({})
  assert.deepEqual(commit(rows, insert({ id: 1 })), [])
  rows.begin(['id'], rows.sorts)
  rows.take({ type: 'INSERT', record: { id: 1 }, snapshot: true })
  rows.forget()
  assert.deepEqual([rows.list, rows.commit()], [[], []])
})

test('a change that shows no key is passed over', () => {
  const rows = rowsOf({})
  snapshot(rows, { id: 1, n: 1 })
  commit(rows, { type: 'UPDATE', record: {}, old_record: {}, errors: ['Error 401: Unauthorized'] })
  assert.deepEqual(rows.list, [{ id: 1, n: 1 }])
})

test('rows that are kept and restored go on as they were', () => {
  const rows = rowsOf({ order: 'n.desc', limit: 3 })
  snapshot(rows, ...[1, 2, 3, 4].map((id) => ({ id, n: id })))
  const restored = rowsOf({ order: 'n.desc', limit: 3 })
  restored.restore(JSON.parse(JSON.stringify(rows.state)))
  assert.deepEqual(restored.list, rows.list)
  for (const each of [rows, restored]) commit(each, insert({ id: 9, n: 0 }), remove(3))
  assert.deepEqual([ids(rows), ids(restored)], [[4, 2, 1], [4, 2, 1]])
})

/** A generator of the same numbers for each run. */
const random = (seed) => (n) => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return Math.floor((seed / 2 ** 31) * n)
}

for (const options of [{}, { order: 'n.desc,id' }, { order: 'word,n.desc' }]) {
  test(`random transactions come to what was written, in ${options.order ?? 'no order'}`, () => {
    const dice = random(7)
    const rows = rowsOf(options)
    const truth = new Map()
    snapshot(rows)
    for (let turn = 0; turn < 300; turn++) {
      const changes = Array.from({ length: 1 + dice(turn % 10 === 0 ? 150 : 5) }, () => {
        const id = dice(200)
        const record = { id, n: dice(20) === 0 ? null : dice(50), word: 'abcXYZ'[dice(6)] }
        if (!truth.has(id)) return truth.set(id, record), insert(record)
        if (dice(3) === 0) return truth.delete(id), remove(id)
        const to = dice(4) === 0 ? 200 + dice(200) : id
        truth.delete(id)
        truth.set(to, { ...record, id: to })
        return update({ ...record, id: to }, { id })
      })
      const before = rows.list
      const told = commit(rows, ...changes)
      const expected = [...truth.values()]
      if (options.order) {
        expected.sort(comparator(parseOrder(options.order), rows.sorts, ['id']))
        assert.deepEqual(rows.list, expected)
      } else assert.deepEqual(new Set(rows.list), new Set(expected))
      assert.deepEqual(new Set([...before, ...told.map(([, row]) => row)].filter((row) => row && !told.some(([gone]) => gone === row))), new Set(rows.list))
    }
  })
}

test('with a limit the first rows of the order are shown', () => {
  const rows = rowsOf({ order: 'n', limit: 2 })
  snapshot(rows, { id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 })
  assert.deepEqual([ids(rows), rows.size], [[1, 2], 3])
  const { list } = rows
  commit(rows, update({ id: 3, n: 9 }))
  assert.equal(rows.list, list)
  commit(rows, remove(1))
  assert.deepEqual(ids(rows), [2, 3])
})

for (const [order, last, horizon, sort = { type: 'text', collation: { locale: 'en-US', default: true } }] of [
  ['n', 7, 'or=("n".lte."7")'],
  ['n.desc.nullslast', '2026-01-01', 'or=("n".gte."2026-01-01")'],
  ['n.desc', 'x"y\\', 'or=("n".gte."x\\"y\\\\","n".is.null)'],
  ['n.nullsfirst,id', null, 'or=("n".is.null)'],
  ['n', null, ''],
  ['n', undefined, ''],
  ['n->a', { a: 1 }, ''],
  ['n', 'ff', '', { type: 'bytea' }],
  ['n', { a: 1 }, '', { type: 'jsonb', collation: { locale: 'C', default: true } }],
  ['n', 'b', '', { type: 'text', collation: { locale: 'C', default: false } }], // by which filters do not compare
]) {
  test(`the rows of an order ${order} up to ${JSON.stringify(last)} are ${horizon || 'all'}, as ${JSON.stringify(sort)} sorts`, () => {
    assert.equal(horizonOf(parseOrder(order)[0], sort, last), horizon)
  })
}
