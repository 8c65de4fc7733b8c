// The client module's bookkeeping, without a server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, Place, written } from '../../clients/js/place.js'

test('positions compare by number, not by text', () => {
  const ordered = ['0/0:0', '0/9:0', '0/A0:0', '0/A0:2', '0/A0:10', '0/FFFFFFFF:0', '9/0:0', 'a/0:0', '10/0:0', 'FFFFFFFF/FFFFFFFF:4294967295']
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) assert.equal(Math.sign(compare(a, b)), Math.sign(i - j), `${a} and ${b}`)
  }
})

test('a new channel joins live, then goes on after what it was given', () => {
  const place = new Place(null)
  assert.equal(place.joins(), undefined)
  place.joined('0/10:0', [7])
  assert.deepEqual(place.joins(), { from: '0/10:0' })
  assert.ok(place.takes('0/20:0', [7]))
  assert.ok(place.takes('0/20:1', [7]))
  assert.deepEqual(place.joins(), { from: '0/20:1' })
  assert.ok(!place.takes('0/20:0', [7]))
  assert.ok(!place.takes('0/20:1', [7]))
  assert.ok(place.takes('0/30:0', [7]))
})

test('a join whose reply names no position is not taken for one at the start next time', () => {
  const place = new Place(null)
  place.joined(undefined, [7])
  assert.deepEqual(place.joins(), { from: '0/0:0' })
  assert.deepEqual(new Place('what was stored by something else').joins(), { from: '0/0:0' })
})

test('a change of which only some bindings have their frame is asked for again', () => {
  const place = new Place('0/10:0')
  place.joined('0/10:0', [7, 8])
  assert.ok(place.takes('0/20:0', [7]))
  assert.deepEqual(place.joins(), { from: '0/10:0' })
  assert.ok(!place.takes('0/20:0', [7]))
  assert.ok(place.takes('0/20:0', [8]))
  assert.deepEqual(place.joins(), { from: '0/20:0' })
  assert.ok(place.takes('0/30:0', [7]))
  assert.ok(place.takes('0/40:0', [7]))
  assert.deepEqual(place.joins(), { from: '0/30:0' }) // 0/30:0 was for one binding alone: something later came
})

test('the server says how far a quiet channel is', () => {
  const place = new Place('0/10:0')
  place.joined('0/10:0', [7, 8])
  place.takes('0/20:0', [7])
  place.reaches('0/4F:0')
  assert.deepEqual(place.joins(), { from: '0/4F:0' })
  place.reaches('0/3F:0') // late
  assert.deepEqual(place.joins(), { from: '0/4F:0' })
  assert.ok(!place.takes('0/20:0', [8]))
})

test('while a resync is not done, the channel goes on from where it was and takes everything', () => {
  const place = new Place('0/10:0')
  place.joined('0/10:0', [7])
  place.misses('0/40:0')
  assert.ok(!place.takes('0/40:0', [7]))
  assert.ok(place.takes('0/50:0', [7]))
  assert.deepEqual(place.joins(), { from: '0/10:0' })
  assert.ok(place.takes('0/20:0', [7])) // the server had it after all
  place.misses('0/60:0')
  assert.ok(place.takes('0/70:0', [7]))
  place.fetched()
  assert.deepEqual(place.joins(), { from: '0/70:0' })
})

test('a new history may begin with lower positions', () => {
  const place = new Place('9/0:0')
  place.misses('1/0:0')
  place.fetched()
  assert.ok(place.takes('1/10:0', [7]))
  assert.deepEqual(place.joins(), { from: '1/10:0' })
})

test('who has no position and is told to resync is told again', () => {
  const place = new Place(null)
  place.misses('0/40:0')
  assert.deepEqual(place.joins(), { from: '0/0:0' })
})

test('the history goes where its position goes', () => {
  const place = new Place('0/10:0 of-a')
  assert.deepEqual(place.joins(), { from: '0/10:0', history: 'of-a' })
  place.joined('0/10:0', [7], 'of-b')
  assert.ok(place.takes('0/20:0', [7]))
  assert.deepEqual(place.joins(), { from: '0/20:0', history: 'of-b' })
  place.joined('0/20:0', [7]) // a server that does not know better yet
  place.reaches('0/20:0')
  assert.equal(written(place.resume), '0/20:0 of-b')
  place.misses('0/30:0', 'of-c')
  assert.deepEqual(place.resume, { from: '0/20:0', history: 'of-b' })
  place.fetched()
  assert.deepEqual(place.resume, { from: '0/30:0', history: 'of-c' })
  place.reaches('0/40:0', 'of-d')
  assert.deepEqual(place.joins(), { from: '0/40:0', history: 'of-d' })
  place.reaches('0/50:0') // by a server that has none
  assert.equal(written(place.resume), '0/50:0')
  const live = new Place(null)
  live.joined('0/10:0', [7], 'of-a')
  assert.deepEqual(live.joins(), { from: '0/10:0', history: 'of-a' })
})

test('a server that starts earlier than asked counts otherwise, and nothing of it is dropped', () => {
  const place = new Place('0/20:1 of-a')
  place.joins()
  place.joined('0/1F:0', [7], 'of-b')
  assert.ok(place.takes('0/20:0', [7]))
  assert.ok(place.takes('0/20:1', [7]))
  assert.deepEqual(place.joins(), { from: '0/20:1', history: 'of-b' })
})
