// Positions on the wire: see docs/protocol.md, Resuming.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { table } from './lib/database.mjs'
import { insert, upTo, writer } from './lib/numbers.mjs'
import { proxy } from './lib/proxy.mjs'
import { raw } from './lib/raw.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

const SHAPE = /^[0-9A-F]+\/[0-9A-F]+:\d+$/

/** Joins the inserts of a table on a bare socket of vsn 2.0.0. */
async function listen(t, server, numbered, { from, params } = {}) {
  const socket = await raw(t, server, { params })
  const binding = { event: 'INSERT', schema: 'public', table: numbered, ...(from && { resume: { from } }) }
  socket.send(['1', '1', 'realtime:numbers', 'phx_join', { config: { postgres_changes: [binding] } }])
  await until(() => socket.frames.some((f) => f[3] === 'phx_reply'), 'the reply')
  const joined = socket.frames.findIndex((f) => f[3] === 'phx_reply')
  const response = socket.frames[joined][4].response
  return {
    response,
    get rows() { return socket.frames.filter((f) => f[3] === 'postgres_changes').map(({ 4: { data } }) => ({ id: data.record.id, at: `${data.lsn}:${data.seq}` })) },
    get resyncs() { return socket.frames.flatMap((f, i) => (f[4].message?.startsWith('resync_required: ') ? [{ ...f[4], isAfterReply: i > joined }] : [])) },
  }
}

/** A table of numbers and a server, with a proxy between it and Postgres. */
async function scene(t) {
  const numbered = await table(t, 'id int primary key')
  const url = new URL(process.env.E2E_DATABASE_URL)
  const postgres = await proxy(t, Number(url.port))
  url.port = postgres.port
  return { numbered, postgres, server: await serve(t, { tables: [numbered], databaseURL: url.href }) }
}

test('a change has the same position for everybody and after every restart, and its index in its transaction', async (t) => {
  const { numbered, server } = await scene(t)
  const [one, other] = [await listen(t, server, numbered), await listen(t, server, numbered)]
  assert.match(one.response.position, SHAPE)
  await insert(numbered, 1)
  await insert(numbered, 2, 3, 4)
  await until(() => one.rows.length === 4 && other.rows.length === 4, 'the rows')
  assert.deepEqual(one.rows, other.rows)
  for (const { at } of one.rows) assert.match(at, SHAPE)
  const [first, ...rest] = one.rows.map(({ at }) => at.split(':'))
  assert.equal(first[1], '0')
  assert.deepEqual(rest.map(([, seq]) => seq), ['0', '1', '2'])
  assert.equal(new Set(rest.map(([lsn]) => lsn)).size, 1)
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    await server.end(signal)
    await server.start()
    const again = await listen(t, server, numbered, { from: one.response.position })
    await until(() => again.rows.length === 4, `the rows again after ${signal}`)
    assert.deepEqual(again.rows, one.rows)
    assert.equal(again.response.position, one.response.position)
  }
})

test('who names a position before the log is filled again waits for it, and is not told to resync', async (t) => {
  const { numbered, server, postgres } = await scene(t)
  const before = await listen(t, server, numbered)
  await insert(numbered, 1, 2, 3)
  await until(() => before.rows.length === 3, 'the rows')
  await server.end('SIGKILL')
  postgres.cut({ open: false })
  await insert(numbered, 4)
  await server.start({ streams: false }) // it has no log at all yet
  const after = await listen(t, server, numbered, { from: before.rows[1].at })
  assert.equal(after.response.position, before.rows[1].at)
  postgres.open = true
  await until(() => after.rows.length >= 2, 'what came after the position')
  await insert(numbered, 5)
  await until(() => after.rows.length >= 3, 'a live row')
  assert.deepEqual(after.rows.map(({ id }) => id), [3, 4, 5])
  assert.deepEqual(after.resyncs, [])
})

test('a resync comes after the join reply, and everything after its position is delivered', async (t) => {
  const { numbered, server } = await scene(t)
  const all = await listen(t, server, numbered)
  const rows = writer(numbered)
  await until(() => rows.last >= 20, 'rows')
  await server.end('SIGKILL')
  await server.start()
  const told = await Promise.all(upTo(5).map(async (n) => {
    const behind = rows.last + n * 10
    await until(() => rows.last >= behind, 'the writer')
    return listen(t, server, numbered, { params: { client_id: `tab-${process.pid}-${n}` } })
  }))
  const behind = rows.last + 20
  await until(() => rows.last >= behind, 'rows after the joins')
  const last = await rows.stop()
  const judge = await listen(t, server, numbered, { from: all.response.position })
  await until(() => judge.rows.length === last, 'all rows')
  assert.deepEqual(judge.rows.map(({ id }) => id), upTo(last))
  for (const one of told) {
    await until(() => one.rows.at(-1)?.id === last, 'the last row')
    assert.equal(one.resyncs.length, 1)
    const [{ isAfterReply, status, extension, from, oldest, position, code }] = one.resyncs
    assert.deepEqual({ isAfterReply, status, extension, from, code },
      { isAfterReply: true, status: 'ok', extension: 'postgres_changes', from: null, code: 'unknown_position' })
    for (const p of [oldest, position]) assert.match(p, SHAPE)
    const size = (p) => p.split(/[/:]/).reduce((sum, part, i) => (sum << 32n) + BigInt(i < 2 ? `0x${part}` : part), 0n)
    const due = judge.rows.filter(({ at }) => size(at) > size(position))
    assert.deepEqual(one.rows.slice(-due.length), due)
  }
})
