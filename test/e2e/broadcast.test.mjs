import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { member, open, serveMessages } from './lib/messages.mjs'
import { anon, token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const service = token({ role: 'service_role' })
const has = (heard, n) => until(() => heard.length >= n, `${n} broadcasts, have ${JSON.stringify(heard)}`).then(() => assert.equal(heard.length, n))

const post = (server, path, body, headers = {}) => fetch(`${server.url}${path}`, {
  method: 'POST', body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  headers: { authorization: `Bearer ${anon}`, 'content-type': 'application/json', ...headers },
})

test('clients of both versions hear each other, in order, and not themselves', async (t) => {
  const server = await serveMessages(t)
  const names = Object.keys(kinds)
  const all = await Promise.all(names.map((kind) => member(t, server, 'mixed', { kind })))
  for (const [i, { channel }] of all.entries()) {
    for (let n = 0; n < 50; n++) await channel.send({ type: 'broadcast', event: 'note', payload: { from: i, n } })
  }
  for (const [i, { heard }] of all.entries()) {
    await has(heard, 50 * (names.length - 1))
    for (let from = 0; from < names.length; from++) {
      const theirs = heard.filter((m) => m.payload.from === from).map((m) => m.payload.n)
      assert.deepEqual(theirs, from === i ? [] : Array.from({ length: 50 }, (_, n) => n))
    }
    assert.ok(heard.every((m) => m.event === 'note' && m.type === 'broadcast'))
  }
})

test('any payload arrives as it was sent', async (t) => {
  const server = await serveMessages(t)
  const { channel } = await member(t, server, 'payloads')
  const { heard } = await member(t, server, 'payloads')
  const payloads = [{}, { nested: { a: [1, null, 'ünï 😀'] } }, { big: 'x'.repeat(1_000_000) }]
  for (const payload of payloads) await channel.send({ type: 'broadcast', event: 'e', payload })
  await has(heard, payloads.length)
  assert.deepEqual(heard.map((m) => m.payload), payloads)
  await channel.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([1, 2, 255]).buffer })
  await has(heard, payloads.length + 1)
  assert.deepEqual([...new Uint8Array(heard.at(-1).payload)], [1, 2, 255])
})

test('bytes reach those who can have them, and an id of a batch arrives as metadata everywhere', async (t) => {
  const server = await serveMessages(t)
  const names = Object.keys(kinds)
  const all = await Promise.all(names.map((kind) => member(t, server, 'kinds', { kind })))
  const [newest] = all
  const sender = await member(t, server, 'kinds')
  await sender.channel.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([0, 255]).buffer })
  await has(newest.heard, 1) // what comes by a socket and over HTTP has no order
  const octets = await post(server, '/api/broadcast/kinds/events/octets', new Uint8Array([7, 8]), { 'content-type': 'application/octet-stream' })
  assert.equal(octets.status, 202)
  const id = randomUUID()
  await post(server, '/api/broadcast', { messages: [{ topic: 'kinds', event: 'with', payload: { n: 1 }, id }, { topic: 'kinds', event: 'without', payload: { n: 2 } }] })
  await has(newest.heard, 4)
  assert.deepEqual(newest.heard.slice(0, 2).map((m) => [m.event, ...new Uint8Array(m.payload)]), [['bytes', 0, 255], ['octets', 7, 8]])
  for (const [i, { heard }] of all.entries()) {
    await until(() => heard.at(-1)?.event === 'without', `${names[i]} to hear the last`)
    assert.deepEqual(heard.slice(-2).map((m) => [m.event, m.payload, m.meta]), [['with', { n: 1 }, { id }], ['without', { n: 2 }, undefined]])
    assert.equal(heard.length, i === 0 ? 4 : 2, names[i]) // text is all that 1.0.0 has
  }
})

for (const kind of Object.keys(kinds)) {
  test(`${kind}: self and ack do what they say`, async (t) => {
    const server = await serveMessages(t)
    const { channel, heard } = await member(t, server, 'own', { kind, config: { broadcast: { self: true, ack: true } } })
    assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 1 } }), 'ok')
    await has(heard, 1)
    const refused = await channel.send({ type: 'broadcast', event: 'e', payload: { s: 'x'.repeat(3_100_000) } })
    assert.equal(refused, 'error')
  })
}

test('over HTTP: a client that has not joined sends, and so does httpSend', async (t) => {
  const server = await serveMessages(t)
  const { heard } = await member(t, server, 'from-outside')
  const outside = connect(t, server).channel('from-outside')
  assert.equal(await outside.send({ type: 'broadcast', event: 'first', payload: { n: 1 } }), 'ok')
  const answer = await outside.httpSend('second', { n: 2 })
  assert.deepEqual(answer, { success: true })
  await has(heard, 2)
  assert.deepEqual(heard.map((m) => [m.event, m.payload]), [['first', { n: 1 }], ['second', { n: 2 }]])
})

test('over HTTP: paths with and without the prefix, and a query string that is the socket\'s', async (t) => {
  const server = await serveMessages(t)
  const { heard } = await member(t, server, 'a b/c')
  for (const base of ['', '/realtime/v1']) {
    const single = await post(server, `${base}/api/broadcast/${encodeURIComponent('a b/c')}/events/e?apikey=x&vsn=2.0.0`, { n: 1 })
    assert.deepEqual([single.status, await single.text()], [202, ''])
    const batch = await post(server, `${base}/api/broadcast?apikey=x&vsn=2.0.0`, { messages: [{ topic: 'a b/c', event: 'e', payload: {} }] })
    assert.deepEqual([batch.status, await batch.text()], [202, ''])
  }
  await has(heard, 4)
})

test('over HTTP: a page of another origin may, after its preflight', async (t) => {
  const server = await serveMessages(t)
  for (const path of ['/api/broadcast', '/realtime/v1/api/broadcast/room/events/e']) {
    const preflight = await fetch(server.url + path, { method: 'OPTIONS', headers: {
      origin: 'https://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,apikey,content-type,idempotency-key',
    } })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*')
    for (const name of ['authorization', 'apikey', 'content-type', 'idempotency-key', 'x-client-info']) {
      assert.ok(preflight.headers.get('access-control-allow-headers').includes(name), name)
    }
  }
})

test('over HTTP: what has no token, type or sense is refused with a reason', async (t) => {
  const server = await serveMessages(t)
  const { heard } = await member(t, server, 'strict')
  const message = { topic: 'strict', event: 'e', payload: {} }
  const cases = [
    ['/api/broadcast', { messages: [message] }, { authorization: 'Bearer nonsense' }, 401, /Unauthorized/],
    ['/api/broadcast', { messages: [message, { ...message, payload: 5 }] }, {}, 422, /is invalid/],
    ['/api/broadcast', { messages: [{ ...message, payload: { s: 'x'.repeat(3_000_600) } }] }, {}, 422, /Payload size exceeds tenant limit/],
    ['/api/broadcast', 'x'.repeat(8_000_001), {}, 413, /Too Large/],
    ['/api/broadcast', '{"messages":', {}, 400, /not JSON/],
    ['/api/broadcast', { messages: [message] }, { 'content-type': 'text/plain' }, 415, /application\/json/],
    ['/api/broadcast/strict/events/e', 'hello', { 'content-type': 'text/plain' }, 415, /application\/octet-stream/],
    ['/api/broadcast/strict/events/e', { private: true }, {}, 422, /contradicts/],
    ['/api/broadcast/strict/events/e?private=yes', {}, {}, 422, /is invalid/],
    ['/api/broadcast/strict/events/e', 'x'.repeat(3_000_600), { 'content-type': 'application/octet-stream' }, 422, /Payload size exceeds tenant limit/],
    [`/api/broadcast/strict/events/${'e'.repeat(300)}`, {}, {}, 422, /at most 255/],
  ]
  for (const [path, body, headers, status, text] of cases) {
    const answer = await post(server, path, body, headers)
    assert.equal(answer.status, status, path)
    assert.match(await answer.text(), text)
  }
  assert.equal((await post(server, '/api/broadcast', { messages: [{ ...message, event: 'good' }] })).status, 202)
  await has(heard, 1)
})

test('over HTTP: a repeated Idempotency-Key does nothing again', async (t) => {
  const server = await serveMessages(t)
  const { heard } = await member(t, server, 'once')
  const key = { 'idempotency-key': randomUUID() }
  const body = { messages: [{ topic: 'once', event: 'e', payload: {} }] }
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(server, '/api/broadcast', body, key)))
  assert.ok(answers.every((a) => a.status === 202))
  assert.equal((await post(server, '/api/broadcast', { messages: [{ topic: 'once', event: 'other', payload: {} }] }, key)).status, 422)
  await post(server, '/api/broadcast', { messages: [{ topic: 'once', event: 'last', payload: {} }] })
  await has(heard, 2)
  assert.deepEqual(heard.map((m) => m.event), ['e', 'last'])
})

test('over HTTP: refusals by policy are told to who asks, and to who sends one', async (t) => {
  const server = await serveMessages(t)
  const topic = `http-${randomUUID()}`
  await open(t, topic)
  const { heard } = await member(t, server, topic, { key: user(randomUUID()), config: { private: true } })
  const body = { messages: [{ topic, event: 'e', payload: {}, private: true }, { topic: `${topic}-other`, event: 'e', payload: {}, private: true }] }
  const authorization = { authorization: `Bearer ${user(randomUUID())}` }
  const plain = await post(server, '/api/broadcast', body, authorization)
  assert.deepEqual([plain.status, await plain.text()], [202, ''])
  const told = await post(server, '/api/broadcast', body, { ...authorization, prefer: 'return=representation' })
  assert.equal(told.headers.get('preference-applied'), 'return=representation')
  assert.deepEqual([told.status, await told.json()], [202, { messages: [{ status: 'ok' }, { status: 'error', reason: 'Unauthorized' }] }])
  await has(heard, 2)
  const single = await post(server, `/api/broadcast/${topic}-other/events/e?private=true`, {}, authorization)
  assert.deepEqual([single.status, await single.json()], [403, { message: 'Unauthorized' }])
  assert.equal((await post(server, `/api/broadcast/${topic}/events/e?private=true`, {}, { authorization: `Bearer ${service}` })).status, 202)
  await has(heard, 3)
  const many = (n) => ({ messages: Array.from({ length: n }, (_, i) => ({ topic: `${topic}-${i}`, event: 'e', payload: {}, private: true })) })
  assert.equal((await post(server, '/api/broadcast', many(100), authorization)).status, 202)
  const refused = await post(server, '/api/broadcast', many(101), authorization)
  assert.deepEqual([refused.status, await refused.json()], [429, { message: 'Too many messages to broadcast, please reduce the batch size' }])
  assert.equal((await post(server, '/api/broadcast', many(101), { authorization: `Bearer ${service}` })).status, 202)
})

test('over HTTP: who sends too much is told, and others are not concerned', async (t) => {
  const server = await serveMessages(t, { flags: ['--messages-per-second', '3'] })
  const { heard } = await member(t, server, 'limited')
  const [ann, bob] = [user(randomUUID()), user(randomUUID())]
  const batch = (n, key) => post(server, '/api/broadcast', { messages: Array.from({ length: n }, () => ({ topic: 'limited', event: 'e', payload: {} })) }, { authorization: `Bearer ${key}` })
  const answers = []
  for (const [n, key] of [[4, ann], [3, ann], [3, bob], [20, service]]) {
    const answer = await batch(n, key)
    answers.push([answer.status, answer.headers.get('retry-after'), await answer.text()])
  }
  const told = '{"message":"Too many messages to broadcast, please reduce the batch size"}'
  assert.deepEqual(answers, [[429, '1', told], [202, null, ''], [202, null, ''], [202, null, '']])
  await has(heard, 26)
  await until(async () => (await batch(3, ann)).status === 202, 'ann to be let through again')
})

test('private_only refuses public channels, over HTTP too', async (t) => {
  const server = await serveMessages(t, { flags: ['--private-only'] })
  for (const kind of Object.keys(kinds)) {
    await assert.rejects(subscribed(connect(t, server, { kind }).channel('room')), /This project only allows private channels/, kind)
  }
  const topic = `only-${randomUUID()}`
  await open(t, topic)
  const { heard } = await member(t, server, topic, { key: user(randomUUID()), config: { private: true } })
  await post(server, `/api/broadcast/${topic}/events/e?private=true`, {}, { authorization: `Bearer ${service}` })
  await has(heard, 1)
  const single = await post(server, '/api/broadcast/room/events/e', {})
  assert.deepEqual([single.status, await single.json()], [403, { message: 'This project only allows private channels' }])
  const batch = await post(server, '/api/broadcast', { messages: [{ topic: 'room', event: 'e', payload: {} }] }, { prefer: 'return=representation' })
  assert.deepEqual(await batch.json(), { messages: [{ status: 'error', reason: 'This project only allows private channels' }] })
})
