// The rows of a live table and their order, without a server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparator, horizonOf, parseOrder } from '../../clients/js/order.js'
import { Rows } from '../../clients/js/rows.js'
import { sortable } from '../../clients/js/where.js'

const types = { id: 'int4', n: 'float8', word: 'text', at: 'timestamptz', is: 'bool', data: 'jsonb' }
const columns = Object.entries(types).map(([name, type]) => ({ name, type }))
const snapshot = (rows, ...records) => {
  rows.begin(['id'])
  for (const record of records) rows.take({ type: 'INSERT', record, columns, snapshot: true })
  return rows.end()
}
const insert = (record) => ({ type: 'INSERT', record, columns })
const update = (record, old = { id: record.id }, more = {}) => ({ type: 'UPDATE', record, old_record: old, columns, ...more })
const remove = (id) => ({ type: 'DELETE', old_record: { id }, columns })
const commit = (rows, ...changes) => {
  changes.forEach((change) => rows.take(change))
  return rows.commit()
}
const ids = (rows) => rows.list.map(({ id }) => id)

/** Each is sorted as Postgres does it. */
const orders = [
  ['n', ['-Infinity', -1, 0, 0.5, 10, 9e99, 'Infinity', 'NaN', null]],
  ['n.desc', ['NaN', 10, 9, -1]],
  ['n.asc.nullsfirst', [null, 1, 2]],
  ['n', [1, 2, null]],
  ['n.desc', [null, 2, 1]],
  ['n.desc.nullslast', [2, 1, null]],
  ['n.nullsfirst', [null, 1]],
  ['is', [false, true, null]],
  ['word', ['', 'a', 'B', 'c', 'É', 'f']], // as en_US has it
  ['word', ['B', 'a', 'É']], // as C has it
  ['word', ['-1', '9', '10', '9007199254740992', '9007199254740993'], 'string'], // an int8
  ['at', ['2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00.1+00:00', '2026-01-01T00:00:00.12+00:00', '2026-01-01T00:00:01+00:00']],
  ['data->n', [{ n: 1 }, { n: 2 }, { n: 10 }, {}]],
  ['data->>a', [{ a: 'x' }, { a: 'y' }, null]],
  ['"word".desc', ['b', 'a']],
]
for (const [order, sorted, more] of orders) {
  test(`order ${order}: ${JSON.stringify(sorted)}`, () => {
    const terms = parseOrder(order)
    const rows = sorted.map((value, id) => ({ id, [terms[0].column]: value }))
    const compare = comparator({ order: terms, key: ['id'], columns, int8: more }, rows)
    assert.deepEqual([...rows].reverse().sort(compare), rows)
  })
}

test('an order is read as the server does; what it refuses is none', () => {
  const term = (column, isDescending = false, nullsFirst = isDescending) => ({ column, path: [], isDescending, nullsFirst })
  assert.deepEqual(parseOrder('created_at.desc, id.asc'), [term('created_at', true), term('id')])
  assert.deepEqual(parseOrder('"a.b,\\"c".desc.nullslast,d'), [term('a.b,"c', true, false), term('d')])
  assert.deepEqual(parseOrder(undefined), [])
  assert.deepEqual(parseOrder('a.sideways'), [])
})

test('changes show when their transaction ends, and not before', () => {
  const rows = new Rows({ order: 'n' })
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
  const rows = new Rows({})
  snapshot(rows, { id: 1, data: { a: [1, null] } })
  const before = rows.list
  assert.deepEqual(commit(rows, update({ id: 1, data: { a: [1, null] } }), insert({ id: 2 }), remove(2)), [])
  assert.equal(rows.list, before)
  commit(rows, update({ id: 1, data: { a: [1, 0] } }), update({ id: 1, data: { a: [1, null] } }))
  assert.equal(rows.list[0], before[0])
})

test('an UPDATE of the key moves the row; values that are not in the WAL are those that the row had', () => {
  const rows = new Rows({})
  snapshot(rows, { id: 1, word: 'long' }, { id: 2, word: 'b' })
  commit(rows, update({ id: 5, n: 1 }, { id: 1 }, { unchanged: ['word'] }))
  assert.deepEqual(rows.list, [{ id: 2, word: 'b' }, { id: 5, n: 1, word: 'long' }])
  commit(rows, update({ id: 5, n: 2 }, { id: 5 }, { unchanged: ['word'] }), remove(2))
  assert.deepEqual(rows.list, [{ id: 5, n: 2, word: 'long' }])
})

test('a snapshot replaces all in one step, and rows that are as before stay the same objects', () => {
  const rows = new Rows({ order: 'id' })
  snapshot(rows, { id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 })
  const before = rows.list
  rows.take(insert({ id: 9, n: 9 })) // of a transaction that was cut
  rows.begin(['id'])
  rows.take({ type: 'INSERT', record: { id: 2, n: 2 }, columns, snapshot: true })
  assert.equal(rows.list, before)
  rows.take({ type: 'INSERT', record: { id: 3, n: 30 }, columns, snapshot: true })
  assert.deepEqual(rows.end(), [[{ id: 1, n: 1 }, undefined], [{ id: 3, n: 3 }, { id: 3, n: 30 }]])
  assert.deepEqual(rows.list, [{ id: 2, n: 2 }, { id: 3, n: 30 }])
  assert.equal(rows.list[0], before[1])
})

test('without a snapshot there are no rows; one that does not end shows nothing', () => {
  const rows = new Rows({})
  assert.deepEqual(commit(rows, insert({ id: 1 })), [])
  rows.begin(['id'])
  rows.take({ type: 'INSERT', record: { id: 1 }, columns, snapshot: true })
  rows.forget()
  assert.deepEqual([rows.list, rows.commit()], [[], []])
})

test('a change that shows no key is passed over', () => {
  const rows = new Rows({})
  snapshot(rows, { id: 1, n: 1 })
  commit(rows, { type: 'UPDATE', record: {}, old_record: {}, columns: [], errors: ['Error 401: Unauthorized'] })
  assert.deepEqual(rows.list, [{ id: 1, n: 1 }])
})

test('rows that are kept and restored go on as they were', () => {
  const rows = new Rows({ order: 'n.desc', limit: 3 })
  snapshot(rows, ...[1, 2, 3, 4].map((id) => ({ id, n: id })))
  const restored = new Rows({ order: 'n.desc', limit: 3 })
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
    const rows = new Rows(options)
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
        expected.sort(comparator({ order: parseOrder(options.order), key: ['id'], columns }, []))
        assert.deepEqual(rows.list, expected)
      } else assert.deepEqual(new Set(rows.list), new Set(expected))
      assert.deepEqual(new Set([...before, ...told.map(([, row]) => row)].filter((row) => row && !told.some(([gone]) => gone === row))), new Set(rows.list))
    }
  })
}

test('with a limit the first rows of the order are shown', () => {
  const rows = new Rows({ order: 'n', limit: 2 })
  snapshot(rows, { id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 })
  assert.deepEqual([ids(rows), rows.size], [[1, 2], 3])
  const { list } = rows
  commit(rows, update({ id: 3, n: 9 }))
  assert.equal(rows.list, list)
  commit(rows, remove(1))
  assert.deepEqual(ids(rows), [2, 3])
})

for (const [order, last, horizon, type = 'text', more] of [
  ['n', 7, 'or=("n".lte."7")'],
  ['n.desc.nullslast', '2026-01-01', 'or=("n".gte."2026-01-01")'],
  ['n.desc', 'x"y\\', 'or=("n".gte."x\\"y\\\\","n".is.null)'],
  ['n.nullsfirst,id', null, 'or=("n".is.null)'],
  ['n', null, ''],
  ['n', { a: 1 }, ''],
  ['n->a', { a: 1 }, ''],
  ['n', 'ff', '', 'bytea'],
  ['n', '7', 'or=("n".lte."7")', 'text', sortable()],
  ['n', '7', '', 'text', sortable('string')],
  ['n', '2026-01-01', 'or=("n".lte."2026-01-01")', 'text', sortable('string')],
  ['n', 'b', '', 'text', sortable()],
]) {
  test(`the rows of an order ${order} up to ${JSON.stringify(last)} are ${horizon || 'all'}, ${more ?? 'as Postgres sorts them'}`, () => {
    assert.equal(horizonOf(parseOrder(order)[0], { rows: [{ n: 1 }, { n: last }], columns: [{ name: 'n', type }] }, more), horizon)
  })
}
