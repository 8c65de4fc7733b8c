// EventSource of a page from another origin: see lib/browser.mjs for which.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inChromium, site } from './lib/browser.mjs'
import { connect, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { address } from './lib/stream.mjs'
import { anon, token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const insert = (numbered, id) => database.query(`insert into ${numbered} values ($1)`, [id])
const have = (page) => () => `have ${JSON.stringify(page.seen)}`

test(`a page comes back by itself after a kill -9 and has each row once (${inChromium ? 'Chromium' : 'npm eventsource'})`, async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered] })
  const page = await (await site(t)).open(address(server, { topic: 'numbers', table: numbered, presence: 'true' }))
  await until(() => page.named('phx_reply').length > 0, have(page))
  await insert(numbered, 1)
  await until(() => page.ids().length === 1, have(page))
  const channel = await subscribed(connect(t, server).channel('numbers', { config: { presence: { key: 'ann' } } }))
  await channel.track({})
  await channel.send({ type: 'broadcast', event: 'said', payload: { x: 1 } })
  await until(() => page.named('broadcast').length === 1 && page.named('presence_diff').length > 0, have(page))
  assert.ok(page.named('presence_diff')[0].joins.ann)
  await server.end('SIGKILL')
  await insert(numbered, 2)
  await server.start()
  await insert(numbered, 3)
  await until(() => page.ids().length >= 3, have(page))
  await insert(numbered, 4)
  await until(() => page.ids().includes(4), have(page))
  assert.deepEqual(page.ids(), [1, 2, 3, 4])
  assert.equal(page.named('system').some((p) => p.message.startsWith('resync_required')), false)
})

// npm's eventsource forgets the id of a block without data; sse.test.mjs has the same with fetch.
if (inChromium) test('a page whose filter never matched goes on from the last sign of life', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [numbered], flags: ['--ping-interval', '100ms'] })
  const between = await proxy(t, server.port)
  const page = await (await site(t)).open(address(between, { topic: 'numbers', table: numbered, filter: 'id=gt.1000' }))
  await until(() => page.named('system').some((p) => p.message === 'Subscribed to PostgreSQL'), have(page))
  const [{ id: start }] = page.seen.filter((e) => e.name === 'phx_reply')
  for (let id = 1; id <= 10; id++) await insert(numbered, id)
  await until(() => [...between.answered.matchAll(/\n:\nid: (\S+)\n\n/g)].some((m) => m[1] !== start), 'a sign of life after the rows')
  const asked = () => [...between.said.matchAll(/^Last-Event-ID: (\S+)\r$/gim)].map((m) => m[1])
  // It may be cut before it has read that: then once more.
  await until(async () => {
    const opened = page.seen.filter((e) => e.name === 'open').length
    between.cut()
    await until(() => page.seen.filter((e) => e.name === 'open').length > opened, have(page))
    return asked().at(-1) !== start
  }, () => `an id other than ${start}, was asked for ${asked()}`)
  await insert(numbered, 1001)
  await until(() => page.ids().length > 0, have(page))
  assert.deepEqual(page.ids(), [1001])
})

test('a page with its token in a cookie reads until the token expires, and is refused then', async (t) => {
  const numbered = await table(t, 'id int primary key')
  const pages = await site(t)
  const server = await serve(t, { tables: [numbered], flags: ['--origins', pages.origin] })
  const page = await pages.open(address(server, { topic: 'numbers', table: numbered }, null), { cookie: () => `apikey=${token({}, { ttl: 8 })}` })
  await until(() => page.named('phx_reply').length > 0, have(page))
  await insert(numbered, 1)
  await until(() => page.ids().length === 1, have(page))
  await until(() => page.seen.some((e) => e.name === 'error' && e.state === 2), have(page)) // CLOSED: it does not come back
  assert.match(page.named('system').at(-1).message, /Token has expired/)
  const stranger = await fetch(address(server, { topic: 'numbers' }), { headers: { origin: 'https://evil.example' } })
  assert.equal(stranger.status, 403)
  const friend = await fetch(address(server, { topic: 'numbers' }, anon), { headers: { origin: pages.origin } })
  assert.equal(friend.headers.get('access-control-allow-credentials'), 'true')
  await friend.body.cancel()
})
