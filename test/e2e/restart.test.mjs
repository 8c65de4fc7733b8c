import assert from 'node:assert/strict'
import { test } from 'node:test'
import { database, table } from './lib/database.mjs'
import { raw } from './lib/raw.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

const rows = (socket) => socket.frames.filter((f) => f[3] === 'postgres_changes').map((f) => f[4].data)
const position = (data) => `${data.lsn}:${data.seq}`

test('kill -9 during a stream of inserts: the log is read again without a hole', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const binding = { event: 'INSERT', schema: 'public', table: numbered }
  const before = await raw(t, server)
  before.send(['1', '1', 'realtime:numbers', 'phx_join', { config: { postgres_changes: [binding] } }])
  await before.next((f) => f[3] === 'phx_reply')

  let written = 0
  let writing = true
  const writer = (async () => {
    while (writing) await database.query(`insert into ${numbered} values (${++written})`)
  })()
  await until(() => rows(before).length >= 50, 'rows before the kill')
  await server.end('SIGKILL')
  const seen = rows(before)
  const last = seen.at(-1)
  await until(() => written >= last.record.id + 50, 'rows written while the server is down')
  await server.start()
  await until(() => written >= last.record.id + 100, 'rows written after the restart')
  writing = false
  await writer

  const after = await raw(t, server)
  after.send(['1', '1', 'realtime:numbers', 'phx_join', { config: { postgres_changes: [{ ...binding, resume: { from: position(last) } }] } }])
  const wanted = written - last.record.id
  await until(() => rows(after).length >= wanted, `${wanted} rows after the restart, have ${rows(after).length}`)
  assert.deepEqual([...seen, ...rows(after)].map((d) => d.record.id), Array.from({ length: written }, (_, i) => i + 1))
})
