// Broadcasts that their senders want kept for replays.
import './lib/own-database.mjs'
import './lib/native.mjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from './lib/clients.mjs'
import { database } from './lib/database.mjs'
import { member, open, policy, serveMessages } from './lib/messages.mjs'
import { raw } from './lib/raw.mjs'
import { anon, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const key = user('00000000-0000-4000-8000-000000000001')
const acked = { private: true, broadcast: { ack: true } }
const replayed = () => ({ private: true, broadcast: { replay: { since: Date.now() - 60_000, limit: 25 } } })
const stored = async (topic) => (await database.query('select id, event, payload from realtime.messages where topic = $1 order by inserted_at', [topic])).rows
const say = (channel, n, persist) => channel.send({ type: 'broadcast', event: 'said', payload: { n }, persist })

let count = 0
const topicOf = (t) => {
  const topic = `kept-${process.pid}-${++count}`
  t.after(() => database.query('delete from realtime.messages where topic = $1', [topic]))
  return topic
}

test('a broadcast that is kept is replayed, and nobody has it twice', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  await open(t, topic)
  const a = await member(t, server, topic, { key, config: acked })
  const b = await member(t, server, topic, { key, config: { private: true } })
  assert.equal(await say(a.channel, 1, true), 'ok')
  assert.equal(await say(a.channel, 2, { ttl: 3600 }), 'ok')
  assert.equal(await say(a.channel, 3, false), 'ok')
  assert.equal(await a.channel.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([0, 255]).buffer, persist: true }), 'ok')
  await until(() => b.heard.length >= 4, () => `all, have ${JSON.stringify(b.heard)}`)
  const rows = await stored(topic)
  assert.deepEqual(rows.map(({ event, payload }) => [event, payload]), [['said', { n: 1 }], ['said', { n: 2 }], ['bytes', null]])
  assert.deepEqual(b.heard.map(({ event, meta }) => [event, meta?.id]), [['said', rows[0].id], ['said', rows[1].id], ['said', undefined], ['bytes', rows[2].id]])

  const late = await member(t, server, topic, { key, config: replayed() })
  await until(() => late.heard.length >= 3, 'the replay')
  await database.query(`select realtime.send('{"n": 4}', 'last', $1)`, [topic]) // by the log, in which what was kept is too
  for (const { heard } of [a, b, late]) await until(() => heard.at(-1)?.event === 'last', 'the last message')
  assert.deepEqual(late.heard.map(({ event, meta }) => [event, meta.replayed]), [['said', true], ['said', true], ['bytes', true], ['last', undefined]])
  assert.deepEqual(late.heard.slice(0, 2).map(({ payload, meta }) => [payload.n, meta.id]), [[1, rows[0].id], [2, rows[1].id]])
  assert.deepEqual([a, b].map(({ heard }) => heard.length), [1, 5])
})

test('what has expired is not replayed', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  await open(t, topic)
  const a = await member(t, server, topic, { key, config: acked })
  assert.equal(await say(a.channel, 1, { ttl: 1 }), 'ok')
  assert.equal(await say(a.channel, 2, { ttl: 60 }), 'ok')
  await until(async () => {
    const { rows: [{ passed }] } = await database.query(`select bool_or(expires_at < now() at time zone 'UTC') as passed from realtime.messages where topic = $1`, [topic])
    return passed
  }, 'a second to pass')
  const late = await member(t, server, topic, { key, config: replayed() })
  await until(() => late.heard.length > 0, 'the replay')
  assert.deepEqual(late.heard.map(({ payload }) => payload.n), [2])
})

test('who may not keep messages is told, and nobody hears them', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  await policy(t, 'select', `realtime.topic() = '${topic}'`)
  await policy(t, 'insert', `realtime.topic() = '${topic}' and extension = 'broadcast'`)
  const a = await member(t, server, topic, { key, config: acked })
  const b = await member(t, server, topic, { key, config: { private: true } })
  assert.equal(await say(a.channel, 1, true), 'unauthorized')
  assert.equal(await say(a.channel, 2, { ttl: 0 }), 'invalid_persist_ttl')
  assert.equal(await say(a.channel, 3, { ttl: 72 * 3600 + 1 }), 'invalid_persist_ttl')
  assert.equal(await say(a.channel, 4), 'ok')
  await until(() => b.heard.length > 0, 'the message that is not to be kept')
  assert.deepEqual(b.heard.map(({ payload }) => payload.n), [4])
  assert.deepEqual(await stored(topic), [])
})

test('a sender whose policy raises is told that', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  await policy(t, 'select', `realtime.topic() = '${topic}'`)
  await policy(t, 'insert', `realtime.topic() = '${topic}' and case extension when 'persistence' then 1 / (length(topic) - length(topic)) = 0 else true end`)
  const a = await member(t, server, topic, { key, config: acked })
  assert.equal(await say(a.channel, 1, true), 'rls_policy_error')
  assert.equal(await say(a.channel, 2), 'ok')
})

test('over HTTP a message is kept too, and answered with its id', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  await open(t, topic)
  const b = await member(t, server, topic, { key, config: { private: true } })
  const client = connect(t, server, { key })
  const channel = client.channel(topic, { config: { private: true } })
  assert.deepEqual(await channel.httpSend('said', { n: 1 }, { persist: true }), { success: true })
  assert.deepEqual(await channel.httpSend('said', { n: 2 }, { persist: { ttl: 60 } }), { success: true })
  await until(() => b.heard.length === 2, 'both')
  const post = async (query, path = topic, token = key) => {
    const response = await fetch(`${server.url}/realtime/v1/api/broadcast/${path}/events/said?${query}`, {
      method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: '{"n":3}',
    })
    const text = await response.text()
    return [response.status, text && JSON.parse(text)]
  }
  const [status, { id }] = await post('private=true&persist=true')
  const rows = await stored(topic)
  assert.deepEqual([status, id], [202, rows[2].id])
  assert.deepEqual(rows.map(({ payload }) => payload.n), [1, 2, 3])

  assert.deepEqual(await post('persist=true'), [422, { errors: { persist: ['can only be used on private channels'] } }])
  assert.deepEqual(await post('private=true&persist[ttl]=0'), [422, { errors: { persist: ['persist must be true, or have a ttl of 1 to 259200 seconds'] } }])
  assert.deepEqual(await post('private=true&persist=maybe'), [422, { errors: { persist: ['persist must be true, or have a ttl of 1 to 259200 seconds'] } }])
  assert.equal((await post('private=true&persist=true', topic, anon))[0], 403)
  assert.deepEqual(await post('private=true&persist=false'), [202, ''])
  const batch = await fetch(`${server.url}/realtime/v1/api/broadcast`, {
    method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ topic, event: 'said', payload: {}, private: true, persist: true }, { topic, event: 'said', payload: {}, private: true, persist: false }] }),
  })
  assert.equal(batch.status, 422)
  assert.match((await batch.json()).errors.messages[0].persist[0], /one message/)
  assert.equal((await stored(topic)).length, 3)
})

test('on a public channel nothing is kept, and the sender is told', async (t) => {
  const server = await serveMessages(t)
  const topic = topicOf(t)
  const b = await member(t, server, topic)
  const socket = await raw(t, server)
  socket.send(['1', '1', `realtime:${topic}`, 'phx_join', { config: { broadcast: { ack: true } } }])
  await socket.next((f) => f[3] === 'phx_reply')
  const part = (text) => Buffer.from(text)
  const [head, name, metadata] = [part(`realtime:${topic}`), part('said'), part('{"persist":true}')]
  socket.sendRaw(Buffer.concat([Buffer.from([3, 1, 1, head.length, name.length, metadata.length, 1]), part('1'), part('7'), head, name, metadata, part('{"n":1}')]))
  const [, , , , reply] = await socket.next((f) => f[1] === '7')
  assert.deepEqual(reply, { status: 'error', response: { reason: 'PersistNotPrivate: persist can only be used on private channels', error: 'persist_not_private' } })
  socket.send(['1', '8', `realtime:${topic}`, 'broadcast', { type: 'broadcast', event: 'said', payload: { n: 2 } }])
  await until(() => b.heard.length > 0, 'what is not to be kept')
  assert.deepEqual(b.heard.map(({ payload }) => payload.n), [2])
  assert.deepEqual(await stored(topic), [])
})
