// Each test is a recipe of docs/recipes.md, as it stands there.
import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { EventSource } from 'eventsource'
import { connect, subscribed } from './lib/clients.mjs'
import { database, table, transaction } from './lib/database.mjs'
import { policy, serveMessages } from './lib/messages.mjs'
import { token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const eventually = (condition, what) => until(condition, what)

test('rooms', async (t) => {
  const server = await serveMessages(t)
  const heard = { kitchen: [], hall: [] }
  for (const room of Object.keys(heard)) {
    await subscribed(connect(t, server).channel(`room:${room}`).on('broadcast', { event: 'said' }, ({ payload }) => heard[room].push(payload.text)))
  }
  const channel = await subscribed(connect(t, server).channel('room:kitchen'))
  await channel.send({ type: 'broadcast', event: 'said', payload: { text: 'hello' } })
  await eventually(() => heard.kitchen.length === 1, 'the kitchen to hear it')
  assert.deepEqual(heard, { kitchen: ['hello'], hall: [] })
})

test('everyone but the sender, and the sender too', async (t) => {
  const server = await serveMessages(t)
  for (const self of [false, true]) {
    const heard = []
    const channel = await subscribed(connect(t, server).channel(`news-${self}`, { config: { broadcast: { self, ack: true } } })
      .on('broadcast', { event: 'moved' }, ({ payload }) => heard.push(payload)))
    assert.equal(await channel.send({ type: 'broadcast', event: 'moved', payload: { x: 1 } }), 'ok')
    assert.equal(heard.length, self ? 1 : 0) // before its acknowledgement
  }
})

test('from a server', async (t) => {
  const server = await serveMessages(t)
  const heard = []
  await subscribed(connect(t, server).channel('room:kitchen').on('broadcast', { event: 'said' }, ({ payload }) => heard.push(payload.text)))
  await transaction(async (connection) => {
    await connection.query(`select realtime.send('{"text": "never"}', 'said', 'room:kitchen', false)`)
    await connection.query('rollback; begin')
    await connection.query(`select realtime.send('{"text": "dinner is ready"}', 'said', 'room:kitchen', false)`)
    await connection.query(`select pg_logical_emit_message(true, 'walcast.broadcast',
      '{"topic": "room:kitchen", "event": "said", "payload": {"text": "without a schema"}, "private": false}')`)
  })
  await eventually(() => heard.length === 2, 'what SQL has sent')
  const headers = { authorization: `Bearer ${token()}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() }
  const post = (path, body, more) => fetch(`${server.url}/realtime/v1/api/broadcast${path}`, { method: 'POST', body: JSON.stringify(body), headers: { ...headers, ...more } })
  for (let n = 0; n < 2; n++) assert.equal((await post('/room%3Akitchen/events/said', { text: 'by HTTP' })).status, 202)
  const batch = await post('', { messages: [{ topic: 'room:kitchen', event: 'said', payload: { text: 'in a batch' } }] }, { prefer: 'return=representation' })
  assert.deepEqual([batch.status, await batch.json()], [202, { messages: [{ status: 'ok' }] }])
  await eventually(() => heard.length >= 4, 'what HTTP has sent')
  assert.deepEqual(heard, ['dinner is ready', 'without a schema', 'by HTTP', 'in a batch'])
})

test('one recipient', async (t) => {
  const server = await serveMessages(t)
  const [ann, bob] = [randomUUID(), randomUUID()]
  await policy(t, 'select', `realtime.topic() = 'user:' || (select auth.uid())`)
  const heard = []
  await subscribed(connect(t, server, { key: user(ann) }).channel(`user:${ann}`, { config: { private: true } })
    .on('broadcast', { event: 'invited' }, ({ payload }) => heard.push(payload.to)))
  await assert.rejects(subscribed(connect(t, server, { key: user(bob) }).channel(`user:${ann}`, { config: { private: true } })), /Unauthorized/)
  await database.query(`select realtime.send('{"to":"the party"}', 'invited', $1)`, [`user:${ann}`])
  const answer = await fetch(`${server.url}/realtime/v1/api/broadcast/${encodeURIComponent(`user:${ann}`)}/events/invited?private=true`, {
    method: 'POST', body: JSON.stringify({ to: 'the dinner' }),
    headers: { authorization: `Bearer ${token({ role: 'service_role' })}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
  })
  assert.equal(answer.status, 202)
  await eventually(() => heard.length === 2, 'two invitations')
  assert.deepEqual(heard.sort(), ['the dinner', 'the party'])

  const missed = [] // by another tab, which was away; only what was sent from SQL is stored
  await subscribed(connect(t, server, { key: user(ann) })
    .channel(`user:${ann}`, { config: { private: true, broadcast: { replay: { since: Date.now() - 3_600_000, limit: 25 } } } })
    .on('broadcast', { event: 'invited' }, ({ payload, meta }) => missed.push([payload.to, meta?.replayed])))
  await eventually(() => missed.length === 1, 'what was stored')
  assert.deepEqual(missed, [['the party', true]])
})

test('acknowledgements', async (t) => {
  const server = await serveMessages(t)
  const [asking, answering] = [connect(t, server).channel('desk', { config: { broadcast: { ack: true } } }), connect(t, server).channel('desk')]
  answering.on('broadcast', { event: 'question' }, ({ payload }) =>
    answering.send({ type: 'broadcast', event: 'answer', payload: { id: payload.id, text: '42' } }))
  const waiting = new Map()
  asking.on('broadcast', { event: 'answer' }, ({ payload }) => {
    waiting.get(payload.id)?.(payload.text)
    waiting.delete(payload.id)
  })
  await Promise.all([subscribed(asking), subscribed(answering)])

  const ask = (text) => new Promise((resolve, reject) => {
    const id = randomUUID()
    waiting.set(id, resolve)
    setTimeout(() => waiting.delete(id) && reject(new Error('no answer')), 15_000).unref()
    asking.send({ type: 'broadcast', event: 'question', payload: { id, text } }).then((got) => got === 'ok' || reject(new Error(got)))
  })
  assert.equal(await ask('the question'), '42')
  assert.equal(waiting.size, 0)
})

test('typing indicators', async (t) => {
  const server = await serveMessages(t)
  const typing = new Map()
  const show = (name) => {
    clearTimeout(typing.get(name))
    typing.set(name, setTimeout(() => typing.delete(name), 300))
  }
  await subscribed(connect(t, server).channel('chat').on('broadcast', { event: 'typing' }, ({ payload }) => show(payload.name)))
  const writer = await subscribed(connect(t, server).channel('chat'))
  let last = 0
  let sent = 0
  const input = () => {
    if (Date.now() - last < 1_000) return
    last = Date.now()
    sent++
    writer.send({ type: 'broadcast', event: 'typing', payload: { name: 'Ann' } })
  }
  for (let key = 0; key < 20; key++) input()
  await eventually(() => typing.has('Ann'), 'Ann to type')
  await eventually(() => !typing.has('Ann'), 'Ann to stop')
  assert.ok(sent <= 2, `${sent} were sent for twenty keys`)
})

test('cursors', async (t) => {
  const server = await serveMessages(t)
  const cursors = new Map()
  await subscribed(connect(t, server).channel('board').on('broadcast', { event: 'cursor' }, ({ payload }) => cursors.set(payload.id, payload)))
  const mover = await subscribed(connect(t, server).channel('board'))
  let next, timer
  const move = (x, y) => {
    next = { id: 'ann', x, y }
    timer ??= setTimeout(() => {
      timer = undefined
      mover.send({ type: 'broadcast', event: 'cursor', payload: next })
    }, 33)
  }
  for (let i = 0; i <= 1000; i++) move(i, i)
  await eventually(() => cursors.get('ann')?.x === 1000, 'the last position')
})

test('who is online', async (t) => {
  const server = await serveMessages(t)
  const enter = async (key, name) => {
    const channel = connect(t, server).channel('lobby', { config: { presence: { key } } })
    let online = []
    channel.on('presence', { event: 'sync' }, () => { online = Object.values(channel.presenceState()).map(([first]) => first.name).sort() })
    await subscribed(channel)
    await channel.track({ name })
    return { channel, online: () => online }
  }
  const ann = await enter('ann', 'Ann')
  const bob = await enter('bob', 'Bob')
  for (const one of [ann, bob]) await eventually(() => one.online().join() === 'Ann,Bob', 'both to be online')
  const tab = await enter('bob', 'Bob')
  await eventually(() => ann.channel.presenceState().bob?.length === 2, "Bob's second tab")
  await tab.channel.unsubscribe()
  await eventually(() => ann.channel.presenceState().bob?.length === 1, 'the tab to be closed')
  await bob.channel.unsubscribe()
  await eventually(() => ann.online().join() === 'Ann', 'Bob to be gone')
  const answer = await fetch(`${server.url}/realtime/v1/api/presence/lobby`, { headers: { authorization: `Bearer ${token({ role: 'service_role' })}` } })
  const state = await answer.json()
  assert.deepEqual([Object.keys(state), state.ann.metas[0].name], [['ann'], 'Ann'])
})

test('event streams for who has onmessage alone', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serveMessages(t, { tables: [todos] })
  const [shown, heard, told] = [[], [], []]
  const stream = new EventSource(`${server.url}/realtime/v1/sse?` +
    new URLSearchParams({ topic: 'room', table: todos, apikey: token(), named: 'false' }))
  t.after(() => stream.close())
  stream.onmessage = ({ data, lastEventId }) => {
    const { event, payload } = JSON.parse(data)
    if (event === 'postgres_changes') shown.push([payload.data.type, payload.data.record.id, `${payload.data.lsn}:${payload.data.seq}` === lastEventId])
    if (event === 'broadcast') heard.push([payload.event, payload.payload.x])
    if (event === 'system') told.push(payload.message)
  }
  await eventually(() => told.includes('Subscribed to PostgreSQL'), 'the bindings to be checked')
  await database.query(`insert into ${todos} values (1)`)
  await database.query(`select realtime.send('{"x": 1}', 'said', 'room', false)`)
  await eventually(() => shown.length > 0 && heard.length > 0, 'a row and a broadcast')
  assert.deepEqual([shown, heard], [[['INSERT', 1, true]], [['said', 1]]])
})

test('event streams', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serveMessages(t, { tables: [todos] })
  const tokens = [token({}, { ttl: 8 })]
  const [shown, heard, refused] = [[], [], []]
  let position = ''
  let stream
  t.after(() => stream.close())
  function follow() {
    stream = new EventSource(`${server.url}/realtime/v1/sse?` +
      new URLSearchParams({ topic: 'room', table: todos, apikey: tokens.at(-1), last_event_id: position }))
    const on = (name, f) => stream.addEventListener(name, (event) => {
      if (event.lastEventId) position = event.lastEventId
      f(JSON.parse(event.data))
    })
    on('phx_reply', () => {})
    on('postgres_changes', ({ data }) => shown.push(data.record.id))
    on('broadcast', ({ event, payload }) => heard.push([event, payload]))
    stream.onerror = (error) => {
      if (stream.readyState !== EventSource.CLOSED) return
      refused.push(error.code)
      tokens.push(token())
      database.query(`insert into ${todos} values (2)`).then(follow)
    }
  }
  follow()
  await eventually(() => position, 'the stream to begin')
  await database.query(`insert into ${todos} values (1)`)
  await database.query(`select realtime.send('{"x": 1}', 'said', 'room', false)`)
  await eventually(() => shown.length === 2, 'a row missed while the token was out of date')
  assert.deepEqual(shown, [1, 2])
  assert.deepEqual(heard.map(([event, { x }]) => [event, x]), [['said', 1]])
  assert.deepEqual(refused, [401])
})
