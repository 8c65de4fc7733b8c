import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { connect, listen, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { raw } from './lib/raw.mjs'
import { serve } from './lib/server.mjs'
import { token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

test('bad tokens are refused with the reason, at connect and at join', async (t) => {
  const server = await serve(t)
  const refusals = {
    'The token provided is not a valid JWT': 'nonsense',
    'Token has expired': token({}, { ttl: -1000 }),
    'Failed to validate JWT signature': token({}, { secret: 'another secret' }),
    'Failed to generate JWT signer, check your JWT secret or JWKS configuration': token({}, { alg: 'none' }),
    'Fields `role` and `exp` are required in JWT': token({ role: undefined }),
    'API key is missing': null,
  }
  for (const [text, key] of Object.entries(refusals)) {
    const refused = await raw(t, server, { key }).catch((e) => e)
    assert.equal(refused.status, 401, text)
    assert.deepEqual(refused.body, { error: text })
  }
  const socket = await raw(t, server)
  socket.send(['1', '1', 'realtime:room', 'phx_join', { config: {}, access_token: token({}, { ttl: -1000 }) }])
  const [, , , event, payload] = await socket.next((f) => f[1] === '1')
  assert.equal(event, 'phx_reply')
  assert.equal(payload.status, 'error')
  assert.match(payload.response.reason, /^InvalidJWTToken: Token has expired 100\d seconds ago$/)
})

test('a page can read why its handshake was refused', async (t) => {
  const server = await serve(t, { flags: ['--origins', 'https://app.example'] })
  const cases = [
    [token({}, { secret: 'another secret' }), undefined, 4001, 'Failed to validate JWT signature'],
    [token({}, { ttl: -1000 }), undefined, 4002, 'Token has expired'],
    [token(), 'https://evil.example', 4003, 'Origin is not allowed'],
  ]
  for (const [key, origin, code, reason] of cases) {
    const seen = []
    class Seen extends WebSocket {
      constructor(url) {
        super(url, { origin })
        this.on('message', (data) => seen.push(JSON.parse(data)))
        this.on('close', (...end) => seen.push([end[0], end[1].toString()]))
      }
    }
    const client = connect(t, server, { key, options: { transport: Seen, params: { errors: 'frame' } } })
    client.channel('room').subscribe()
    await until(() => seen.length >= 2, () => `to be told, have ${JSON.stringify(seen)}`)
    assert.deepEqual(seen.slice(0, 2), [
      [null, null, 'phoenix', 'system', { message: reason, status: 'error', extension: 'system', code }], [code, reason],
    ])
    await client.removeAllChannels()
  }
})

test('bad filters are answered by a system event and disturb nobody', async (t) => {
  const todos = await table(t, 'id int primary key, title text')
  const server = await serve(t, { tables: [todos] })
  const { events } = await listen(connect(t, server), 'good', { event: '*', schema: 'public', table: todos })
  const cases = [
    ['id=eq.hey', `Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: [event: *, schema: public, table: ${todos}, filters: [{"id", "eq", "hey", false}], select: nil]. Exception: ERROR 22P02 (invalid_text_representation) invalid input syntax for type integer: "hey"`],
    ['id=foo.hey', 'Error parsing `filter` params: ["foo", "hey"]'],
    ['nope=eq.1', `Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: [event: *, schema: public, table: ${todos}, filters: [{"nope", "eq", "1", false}], select: nil]. Exception: ERROR P0001 (raise_exception) invalid column for filter nope`],
  ]
  for (const [filter, message] of cases) {
    const messages = []
    const channel = connect(t, server).channel(filter).on('system', {}, (payload) => messages.push(payload))
      .on('postgres_changes', { event: '*', schema: 'public', table: todos, filter }, () => assert.fail('a broken filter delivered'))
    await subscribed(channel)
    await until(() => messages.some((m) => m.extension === 'postgres_changes'), `a system event for ${filter}`)
    const told = messages.find((m) => m.extension === 'postgres_changes')
    assert.equal(told.status, 'error')
    assert.equal(told.message, message)
  }
  await database.query(`insert into ${todos} values (1, 'still here')`)
  await until(() => events.length === 1, 'the good subscriber to get its row')
})

test('a table outside the publication is said to be so', async (t) => {
  const hidden = await table(t, 'id int primary key')
  const server = await serve(t)
  const socket = await raw(t, server)
  socket.send(['1', '1', 'realtime:room', 'phx_join', { config: { postgres_changes: [{ event: '*', schema: 'public', table: hidden }] } }])
  const [, , , , told] = await socket.next((f) => f[3] === 'system')
  assert.equal(told.message, `Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: [event: *, schema: public, table: ${hidden}, filters: [], select: nil]`)
  assert.equal(told.status, 'error')
})

test('garbage is ignored and the socket lives on', async (t) => {
  const server = await serve(t)
  const socket = await raw(t, server)
  for (const garbage of ['', '{', '[]', '[1,2,3]', 'null', '{"topic":1}', Buffer.from([3, 255, 255]), Buffer.alloc(0)]) socket.sendRaw(garbage)
  socket.send([null, '7', 'phoenix', 'heartbeat', {}])
  assert.deepEqual(await socket.next(() => true), [null, '7', 'phoenix', 'phx_reply', { status: 'ok', response: {} }])
})

test('SIGTERM tells clients 1012 and ends with 0', async (t) => {
  const server = await serve(t)
  const socket = await raw(t, server)
  socket.send(['1', '1', 'realtime:room', 'phx_join', { config: {} }])
  await socket.next((f) => f[3] === 'phx_reply')
  const started = Date.now()
  assert.equal(await server.end('SIGTERM'), 0)
  assert.ok(Date.now() - started < 10_000)
  assert.equal((await socket.closed).code, 1012)
})
