// What queries of TanStack DB become, without a server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { and, eq, gt, gte, ilike, inArray, IR, isNull, isUndefined, like, lower, lt, lte, not, or } from '@tanstack/db'
import { filterOf, orderOf } from '../../clients/js/where.js'

const ref = (...path) => new IR.PropRef(path)
const [a, b] = [ref('a'), ref('b')]
const many = Array.from({ length: 101 }, (_, i) => i)

for (const [where, filter] of [
  [undefined, ''],
  [eq(a, 1), 'and=("a".eq."1")'],
  [eq(a, 'x"y\\z,'), 'and=("a".eq."x\\"y\\\\z,")'],
  [eq(a, true), 'and=("a".eq."true")'],
  [eq(a, 9007199254740993n), 'and=("a".eq."9007199254740993")'],
  [eq(a, new Date(0)), 'and=("a".eq."1970-01-01T00:00:00.000Z")'],
  [eq(ref('a b.c'), 1), 'and=("a b.c".eq."1")'],
  [and(gt(a, 1), gte(a, 2), lt(b, 3.5), lte(b, -4)), 'and=(and("a".gt."1","a".gte."2","b".lt."3.5","b".lte."-4"))'],
  [gt(a, '2026-01-01'), 'and=("a".gt."2026-01-01")'],
  [or(eq(a, 1), and(eq(b, 2), isNull(a))), 'and=(or("a".eq."1",and("b".eq."2","a".is.null)))'],
  [and(eq(a, 1), not(eq(b, 2))), 'and=(and("a".eq."1",not.and("b".eq."2")))'],
  [inArray(a, ['x', 'y,z']), 'and=("a".in.("x","y,z"))'],
  [inArray(a, []), 'and=("a".in.())'],
  [like(a, '50%_'), 'and=("a".like."50%_")'],
  [ilike(a, 'é'), undefined],
  [like(a, 'a\\%'), undefined],
  [gt(a, 'text'), undefined], // is sorted by a collation
  [eq(a, null), undefined],
  [eq(a, undefined), undefined],
  [eq(a, NaN), undefined],
  [eq(a, { x: 1 }), undefined],
  [eq(a, 'nul\0'), undefined],
  [eq(a, b), undefined],
  [eq(ref('a', 'x'), 1), undefined], // in a json
  [eq(ref('a->x'), 1), undefined],
  [eq(lower(a), 'x'), undefined],
  [isUndefined(a), undefined],
  [inArray(a, many), undefined],
  [inArray(a, [1, null]), undefined],
  [and(eq(a, 1), eq(lower(a), 'x')), undefined],
  [or(eq(a, 1), eq(lower(a), 'x')), undefined],
  [not(gt(a, 'text')), undefined],
]) test(`filter ${filter} of ${inspect(where, { depth: 9, breakLength: Infinity })}`, () => assert.equal(filterOf(where), filter))

test('an order', () => {
  const by = (expression, direction, nulls) => ({ expression, compareOptions: { direction, nulls } })
  assert.equal(orderOf([by(a, 'desc', 'last'), by(ref('b"c'), 'asc', 'first')]), '"a".desc.nullslast,"b\\"c".asc.nullsfirst')
  assert.equal(orderOf([by(a, 'asc', 'first'), by(lower(a), 'asc', 'first')]), undefined)
})
