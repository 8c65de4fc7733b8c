import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { database } from './lib/database.mjs'
import { member, open, policy, serveMessages } from './lib/messages.mjs'
import { anon, token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const has = (heard, n) => until(() => heard.length >= n, `${n} broadcasts, have ${JSON.stringify(heard)}`).then(() => assert.equal(heard.length, n))
const ack = { private: true, broadcast: { ack: true } }
const say = (channel, n) => channel.send({ type: 'broadcast', event: 'e', payload: { n } })

for (const kind of Object.keys(kinds)) {
  test(`${kind}: who may not read a topic cannot join it`, async (t) => {
    const server = await serveMessages(t)
    const topic = `team-${randomUUID()}`
    await open(t, topic)
    await assert.rejects(subscribed(connect(t, server, { kind }).channel(topic, { config: { private: true } })),
      new RegExp(`Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`))
    const a = await member(t, server, topic, { kind, key: user(randomUUID()), config: ack })
    const b = await member(t, server, topic, { key: user(randomUUID()), config: ack })
    assert.equal(await say(a.channel, 1), 'ok')
    await has(b.heard, 1)
  })
}

test('reading alone is no writing, and the sender is told', async (t) => {
  const server = await serveMessages(t)
  const topic = `read-only-${randomUUID()}`
  await policy(t, 'select', `realtime.topic() = '${topic}' and extension = 'broadcast'`)
  const a = await member(t, server, topic, { key: user(randomUUID()), config: ack })
  const b = await member(t, server, topic, { key: user(randomUUID()), config: ack })
  assert.equal(await say(a.channel, 1), 'error')
  assert.equal(b.heard.length, 0)
  assert.equal(await a.channel.track({ name: 'A' }), 'error')
})

test('a public channel of the same name is another topic', async (t) => {
  const server = await serveMessages(t)
  const topic = `namesake-${randomUUID()}`
  await open(t, topic)
  const secret = await member(t, server, topic, { key: user(randomUUID()), config: ack })
  const other = await member(t, server, topic, { key: user(randomUUID()), config: ack })
  const everybody = await member(t, server, topic, { key: anon })
  await say(secret.channel, 1)
  await has(other.heard, 1)
  assert.equal(everybody.heard.length, 0)
})

for (const kind of Object.keys(kinds)) test(`${kind}: a token that may not read ends the channel`, async (t) => {
  const server = await serveMessages(t)
  const topic = `taken-${randomUUID()}`
  await policy(t, 'select', `realtime.topic() = '${topic}' and (select auth.jwt()) ->> 'n' is distinct from '2'`)
  const sub = randomUUID()
  const { client, channel, heard } = await member(t, server, topic, { kind, key: user(sub), config: { private: true } })
  const said = []
  channel.on('system', {}, (payload) => said.push(payload.message))
  const renew = (n) => (client.realtime ?? client).setAuth(token({ role: 'authenticated', sub, n }))
  await renew(1) // nothing has changed
  await database.query(`select realtime.send('{"n":1}', 'e', $1)`, [topic])
  await has(heard, 1)
  await renew(2)
  await until(() => channel.state === 'closed', 'the channel to be closed')
  assert.deepEqual(said, [`You do not have permissions to read from this Channel topic: ${topic}`])
  await database.query(`select realtime.send('{"n":2}', 'e', $1)`, [topic])
  const key = token({ role: 'authenticated', sub, n: 2 })
  await assert.rejects(member(t, server, topic, { kind, key, config: { private: true } }), /You do not have permissions to read/)
  assert.equal(heard.length, 1)
})

for (const kind of Object.keys(kinds)) test(`${kind}: a policy that is dropped ends the channel`, async (t) => {
  const server = await serveMessages(t)
  const topic = `dropped-${randomUUID()}`
  const drop = await policy(t, 'select', `realtime.topic() = '${topic}'`)
  const { channel, heard } = await member(t, server, topic, { kind, key: user(randomUUID()), config: { private: true } })
  const said = []
  channel.on('system', {}, (payload) => said.push(payload.message))
  await drop()
  await until(() => channel.state === 'closed', 'the channel to be closed')
  assert.deepEqual(said, [`You no longer have permission to read from this Channel topic: ${topic}`])
  await database.query(`select realtime.send('{"n":1}', 'e', $1)`, [topic])
  await assert.rejects(member(t, server, topic, { kind, key: user(randomUUID()), config: { private: true } }), /You do not have permissions to read/)
  assert.equal(heard.length, 0)
})

test('who may not be seen, or see, on a private topic', async (t) => {
  const server = await serveMessages(t)
  const topic = `quiet-${randomUUID()}`
  await policy(t, 'select', `realtime.topic() = '${topic}' and extension = 'broadcast'`)
  await policy(t, 'select', `realtime.topic() = '${topic}' and extension = 'presence' and (select auth.jwt()) ->> 'sees' = 'yes'`)
  const drop = await policy(t, 'insert', `realtime.topic() = '${topic}' and extension = 'presence'`)
  const enter = async (claims) => {
    const key = token({ role: 'authenticated', sub: randomUUID(), ...claims })
    const channel = connect(t, server, { key }).channel(topic, { config: { private: true, presence: { key: claims.name } } })
    channel.on('presence', { event: 'sync' }, () => {})
    return await subscribed(channel)
  }
  const seeing = await enter({ name: 'seeing', sees: 'yes' })
  const blind = await enter({ name: 'blind' })
  for (const channel of [seeing, blind]) assert.equal(await channel.track({}), 'ok')
  await until(() => Object.keys(seeing.presenceState()).length === 2, 'both to be seen')
  assert.deepEqual(blind.presenceState(), {})
  await drop()
  const late = await enter({ name: 'late', sees: 'yes' })
  assert.equal(await late.track({}), 'error')
  await until(() => Object.keys(late.presenceState()).length === 2, 'the others to be seen')
})

test('one recipient: a private topic per user', async (t) => {
  const server = await serveMessages(t)
  await policy(t, 'select', `realtime.topic() = 'inbox:' || auth.uid()`)
  const [ann, bob] = [randomUUID(), randomUUID()]
  const inbox = await member(t, server, `inbox:${ann}`, { key: user(ann), config: { private: true } })
  await assert.rejects(subscribed(connect(t, server, { key: user(bob) }).channel(`inbox:${ann}`, { config: { private: true } })), /Unauthorized/)
  assert.equal(inbox.heard.length, 0)
})
