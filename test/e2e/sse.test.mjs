// Event streams with what reads them: curl, fetch, and EventSource of a browser.
import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTo } from 'node:net'
import { test } from 'node:test'
import { connect, subscribed } from './lib/clients.mjs'
import { database, table, transaction } from './lib/database.mjs'
import { open, serveMessages } from './lib/messages.mjs'
import { serve } from './lib/server.mjs'
import { address, stream } from './lib/stream.mjs'
import { token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const insert = (numbered, id) => database.query(`insert into ${numbered} values ($1)`, [id])
const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1)

test('curl prints rows as they commit, and goes on by Last-Event-ID', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const curl = (...args) => {
    const child = spawn('curl', ['-sN', ...args, address(server, { topic: 'numbers', table: numbered, filter: 'id=gt.0' })])
    t.after(() => child.kill())
    const printed = { child, text: '' }
    child.stdout.on('data', (text) => { printed.text += text })
    return printed
  }
  const first = curl()
  await until(() => /\nevent: phx_reply\nid: \S+\ndata: \{"status":"ok".*\}\n\n/.test(first.text), () => `the reply in ${first.text}`)
  for (const id of [0, 1, 2]) await insert(numbered, id)
  const rows = ({ text }) => [...text.matchAll(/event: postgres_changes\nid: (\S+)\ndata: .*"record":\{"id":(\d+)\}/g)]
  await until(() => rows(first).length === 2, () => `two rows in ${first.text}`)
  first.child.kill()
  for (const id of [3, 4]) await insert(numbered, id)
  const [, position] = rows(first)[0]
  const again = curl('-H', `Last-Event-ID: ${position}`)
  await until(() => rows(again).length >= 3, () => `what was missed in ${again.text}`)
  assert.deepEqual([...rows(first).slice(0, 1), ...rows(again)].map((m) => Number(m[2])), upTo(4))
})

test('a stream gets every row once, over drops, stops and kill -9', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const params = { topic: 'numbers', table: numbered, event: 'INSERT' }
  const got = []
  let last
  let next = 0
  for (const end of [null, 'drop', 'SIGKILL', 'SIGTERM', 'SIGKILL']) {
    if (end === 'drop') last.close()
    else if (end) await server.end(end)
    if (end) {
      await last.done
      got.push(...last.ids())
      await insert(numbered, ++next) // while nobody listens, or the server is away
    }
    if (end && end !== 'drop') await server.start()
    last = await stream(t, server, params, { headers: last ? { 'Last-Event-ID': last.id } : {} })
    await last.until('phx_reply')
    await transaction(async (c) => {
      for (let i = 0; i < 3; i++) await c.query(`insert into ${numbered} values ($1)`, [++next])
    })
    await until(() => last.ids().at(-1) === next, () => `row ${next}, have ${JSON.stringify(last.events)}`)
    assert.equal(last.named('system').some((p) => p.message.startsWith('resync_required')), false)
  }
  got.push(...last.ids())
  assert.deepEqual(got, upTo(next))
})

test('a stream is told that it missed rows, once, and gets what comes after', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const params = { topic: 'numbers', table: numbered }
  for (const from of ['0/1:0', 'nonsense']) {
    const told = await stream(t, server, params, { headers: { 'Last-Event-ID': from } })
    const resync = (opened) => opened.named('system').find((p) => p.message.startsWith('resync_required'))
    await until(() => resync(told), () => `the resync, have ${JSON.stringify(told.events)}`)
    assert.equal(told.id, resync(told).position)
    told.close()
    await database.query(`insert into ${numbered} select coalesce(max(id), 0) + 1 from ${numbered}`)
    const again = await stream(t, server, params, { headers: { 'Last-Event-ID': told.id } })
    await again.until('postgres_changes')
    assert.equal(resync(again), undefined)
  }
})

test('a stream whose filter never matched goes on from the last sign of life', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered], flags: ['--ping-interval', '100ms'] })
  const params = { topic: 'numbers', table: numbered, filter: 'id=gt.1000' }
  const quiet = await stream(t, server, params)
  await quiet.until('phx_reply')
  const start = quiet.id
  for (let id = 1; id <= 10; id++) await insert(numbered, id)
  await until(() => quiet.id !== start, 'a position after rows that do not match')
  await server.end('SIGKILL')
  await insert(numbered, 1001)
  await server.start()
  const again = await stream(t, server, params, { headers: { 'Last-Event-ID': quiet.id } })
  await again.until('postgres_changes')
  assert.deepEqual(again.ids(), [1001])
  assert.deepEqual(again.named('system').filter((p) => p.status === 'error'), [])
})

test('a stream that is read too slowly is closed, says so, and goes on without loss', async (t) => {
  const wide = await table(t, 'id int primary key, body text')
  const server = await serve(t, { tables: [wide], flags: ['--queue-size', '64KiB'] })
  const params = { topic: 'wide', table: wide }
  const { pathname, search } = new URL(address(server, params))
  const socket = connectTo(server.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let text = ''
  const closed = once(socket, 'close')
  socket.setEncoding('latin1').on('data', (chunk) => { text += chunk })
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: walcast\r\n\r\n`)
  await until(() => text.includes('event: phx_reply'), 'the stream to begin')
  socket.pause()
  let rows = 0
  const overflows = async () => /walcast_gateway_queue_overflows_total ([1-9])/.test(await (await fetch(`${server.url}/metrics`)).text())
  let overflowed = false
  // Noticed at once, as the client has two seconds to read the last event.
  const reading = until(overflows, 'the queue to be full').finally(() => { overflowed = true; socket.resume() })
  while (!overflowed) {
    await database.query(`insert into ${wide} select i, repeat('x', 20000) from generate_series($1::int, $1 + 9) i`, [rows + 1])
    rows += 10
  }
  await reading
  await closed
  assert.match(text, /event: system\ndata: \{"message":"client reads too slowly",.*"code":1013\}\n\n$/)
  const before = [...text.matchAll(/"record":\{"id":(\d+)/g)].map((m) => Number(m[1]))
  const id = [...text.matchAll(/^id: (\S+)$/gm)].at(-1)[1]
  assert.ok(before.length < rows)
  // Until it has caught up it may be too slow again: the queue is small.
  const after = []
  let again
  for (let from = id; before.length + after.length < rows; from = again.id) {
    again = await stream(t, server, params, { headers: { 'Last-Event-ID': from } })
    await until(() => again.ended || before.length + after.length + again.ids().length === rows, () => `${rows} rows`, 120_000)
    after.push(...again.ids())
  }
  assert.deepEqual([...before, ...after], upTo(rows))
})

test('a stream with several bindings, broadcasts and presence', async (t) => {
  const numbered = await table(t, 'id int primary key, body text')
  const server = await serve(t, { tables: [numbered] })
  const opened = await stream(t, server, {
    topic: 'room', presence: 'true',
    bindings: JSON.stringify([{ table: numbered, filter: 'id=eq.1', schema: 'public' }, { event: 'DELETE', schema: 'public', table: numbered }]),
  })
  const [reply] = await opened.until('phx_reply')
  const ids = reply.response.postgres_changes.map((b) => b.id)
  await opened.until('presence_state')
  const channel = await subscribed(connect(t, server).channel('room', { config: { presence: { key: 'ann' } } }))
  await channel.track({ status: 'here' })
  await channel.send({ type: 'broadcast', event: 'said', payload: { text: 'two\nlines' } })
  const [diff] = await opened.until('presence_diff')
  assert.equal(diff.joins.ann.metas[0].status, 'here')
  assert.deepEqual((await opened.until('broadcast'))[0], { type: 'broadcast', event: 'said', payload: { text: 'two\nlines' } })
  await database.query(`insert into ${numbered} values (1, E'a\\nb'), (2, 'other')`)
  await database.query(`delete from ${numbered} where id = 2`)
  const rows = await opened.until('postgres_changes', 2)
  assert.deepEqual(rows.map((p) => [p.data.type, p.ids, p.data.record?.body]), [['INSERT', [ids[0]], 'a\nb'], ['DELETE', [ids[1]], undefined]])
})

test('a private topic is for those who may read it', async (t) => {
  const server = await serveMessages(t)
  await open(t, 'secret')
  const params = { topic: 'secret', private: 'true' }
  const refused = await stream(t, server, params)
  assert.equal(refused.response.status, 403)
  assert.match(refused.body.error, /^Unauthorized: You do not have permissions to read from this Channel topic: secret$/)
  const allowed = await stream(t, server, params, { key: null, headers: { authorization: `Bearer ${user('ann')}` } })
  await allowed.until('phx_reply')
  await database.query(`select realtime.send('{"x":1}', 'e', 'secret')`)
  assert.deepEqual((await allowed.until('broadcast'))[0].payload.x, 1)
})

test('row-level security holds for streams', async (t) => {
  const owned = await table(t, 'id int primary key, owner text', 'alter table TABLE enable row level security',
    `create policy own on TABLE for select to authenticated using (owner = auth.jwt() ->> 'sub')`)
  const server = await serveMessages(t, { tables: [owned] })
  const ann = await stream(t, server, { topic: 'mine', table: owned }, { key: user('ann') })
  await until(() => ann.named('system').some((p) => p.message === 'Subscribed to PostgreSQL'), 'the binding to work')
  await database.query(`insert into ${owned} values (1, 'bob'), (2, 'ann')`)
  await ann.until('postgres_changes')
  assert.deepEqual(ann.ids(), [2])
})

test('what is wrong is a status before the stream, and an event after', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const params = { topic: 'numbers', table: numbered }
  for (const [what, query, status, error] of [
    ['no token', { key: null }, 401, /API key is missing/],
    ['an expired token', { key: token({}, { ttl: -10 }) }, 401, /Token has expired/],
    ['a bad filter', { params: { ...params, filter: 'id' } }, 400, /filter/],
    ['no topic', { params: { table: numbered } }, 400, /TopicNameRequired/],
    ['a slip', { params: { ...params, private: 'yes' } }, 400, /private must be true or false/],
  ]) {
    const refused = await stream(t, server, query.params ?? params, query)
    assert.equal(refused.response.status, status, what)
    assert.match(refused.body.error, error, what)
  }
  assert.equal((await fetch(address(server, params), { method: 'POST' })).status, 405)
  const unpublished = await stream(t, server, { topic: 'numbers', table: 'nowhere' })
  const [told] = await unpublished.until('system')
  assert.equal(told.status, 'error')
  const short = await stream(t, server, params, { key: token({}, { ttl: 3 }) })
  await short.done
  assert.match(short.named('system').at(-1).message, /Token has expired/)
})
