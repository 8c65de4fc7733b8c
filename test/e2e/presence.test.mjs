import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { serveMessages } from './lib/messages.mjs'
import { raw } from './lib/raw.mjs'
import { anon, token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** Joins with a key and collects presence callbacks. */
async function present(t, server, topic, key, { kind } = {}) {
  const client = connect(t, server, { kind })
  const events = []
  const channel = client.channel(topic, { config: { presence: { key } } })
  channel.on('presence', { event: 'sync' }, () => events.push(['sync']))
  channel.on('presence', { event: 'join' }, (e) => events.push(['join', e.key]))
  channel.on('presence', { event: 'leave' }, (e) => events.push(['leave', e.key]))
  await subscribed(channel)
  return { client, channel, events, names: () => Object.keys(channel.presenceState()).sort() }
}

const sees = (member, ...names) => until(() => JSON.stringify(member.names()) === JSON.stringify(names), `${names}, sees ${member.names()}`)

test('members of both versions see who comes, changes and goes', async (t) => {
  const server = await serveMessages(t)
  const names = Object.keys(kinds)
  const members = await Promise.all(names.map((kind, i) => present(t, server, 'who', `m${i}`, { kind })))
  for (const [i, { channel }] of members.entries()) assert.equal(await channel.track({ n: i }), 'ok')
  for (const m of members) await sees(m, 'm0', 'm1', 'm2')
  await members[0].channel.track({ n: 'changed' })
  for (const m of members) await until(() => m.channel.presenceState().m0?.[0].n === 'changed', 'the update')
  await members[0].channel.untrack()
  for (const m of members) await sees(m, 'm1', 'm2')
  await members[1].client.removeAllChannels?.() ?? await members[1].channel.unsubscribe()
  await sees(members[2], 'm2')
  for (const { events } of members) assert.ok(events.some(([name]) => name === 'sync'))
})

test('one key on two devices has two metas', async (t) => {
  const server = await serveMessages(t)
  const [phone, laptop] = [await present(t, server, 'devices', 'ann'), await present(t, server, 'devices', 'ann')]
  await phone.channel.track({ on: 'phone' })
  await laptop.channel.track({ on: 'laptop' })
  await until(() => phone.channel.presenceState().ann?.length === 2, 'two metas')
  assert.deepEqual(phone.channel.presenceState().ann.map((m) => m.on).sort(), ['laptop', 'phone'])
  await laptop.channel.unsubscribe()
  await until(() => phone.channel.presenceState().ann?.length === 1, 'one meta')
})

test('updates above the rate are merged: each is answered, the last one counts', async (t) => {
  const server = await serveMessages(t)
  const watcher = await raw(t, server)
  watcher.send(['1', '1', 'realtime:rate', 'phx_join', { config: { presence: { enabled: true } } }])
  await watcher.next((f) => f[3] === 'presence_state')
  const mover = await present(t, server, 'rate', 'mover')
  const start = Date.now()
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => mover.channel.track({ n })))
  assert.ok(answers.every((a) => a === 'ok'), answers.join())
  const diffs = []
  do diffs.push((await watcher.next((f) => f[3] === 'presence_diff'))[4])
  while (diffs.at(-1).joins.mover?.metas.at(-1).n !== 199)
  const most = 20 + Math.ceil((Date.now() - start) / 50) // twenty a second, and as many at once
  assert.ok(diffs.length <= most, `${diffs.length} diffs, want ${most} at most`)
})

/** A transport whose sockets a test can tear apart. */
function wire() {
  const sockets = []
  return { sockets, transport: class extends WebSocket { constructor(...args) { super(...args); sockets.push(this) } } }
}

test('with a grace time a reconnect is not seen, and who stays away is gone after it', async (t) => {
  const server = await serveMessages(t, { flags: ['--presence-grace', '8s'] })
  const watcher = await raw(t, server)
  watcher.send(['1', '1', 'realtime:grace', 'phx_join', { config: { presence: { enabled: true } } }])
  await watcher.next((f) => f[3] === 'presence_state')
  const { sockets, transport } = wire()
  const client = connect(t, server, { options: { transport, reconnectAfterMs: () => 50 } })
  const channel = client.channel('grace', { config: { presence: { key: 'ann' } } }).on('presence', { event: 'sync' }, () => {})
  let tracked = 0
  channel.subscribe(async (status) => {
    if (status === 'SUBSCRIBED' && await channel.track({ name: 'Ann' }) === 'ok') tracked++
  })
  const joined = await watcher.next((f) => f[3] === 'presence_diff')
  assert.equal(joined[4].joins.ann.metas.length, 1)
  for (let n = 1; n <= 3; n++) {
    await until(() => tracked === n, `track ${n}`)
    sockets.at(-1).terminate()
  }
  await until(() => tracked === 4, 'the last return')
  client.realtime.disconnect() // this time for good
  const left = await watcher.next((f) => f[3] === 'presence_diff')
  assert.deepEqual([Object.keys(left[4].joins), left[4].leaves.ann.metas], [[], joined[4].joins.ann.metas])
})

test('a socket that dies without leaving is gone', async (t) => {
  const server = await serveMessages(t)
  const watcher = await present(t, server, 'deaths', 'watcher')
  const dying = await raw(t, server)
  dying.send(['1', '1', 'realtime:deaths', 'phx_join', { config: { presence: { key: 'dying', enabled: true } } }])
  dying.send(['1', '2', 'realtime:deaths', 'presence', { type: 'presence', event: 'track', payload: {} }])
  await sees(watcher, 'dying')
  dying.socket.terminate()
  await sees(watcher)
})

test('a socket that goes silent is gone within the idle time-out', async (t) => {
  const server = await serveMessages(t, { flags: ['--idle-timeout', '2s', '--ping-interval', '1s'] })
  const silent = await raw(t, server)
  silent.send(['1', '1', 'realtime:silence', 'phx_join', { config: { presence: { key: 'silent', enabled: true } } }])
  silent.send(['1', '2', 'realtime:silence', 'presence', { type: 'presence', event: 'track', payload: {} }])
  await silent.next((f) => f[3] === 'presence_diff')
  silent.socket.pause() // it answers no ping any more
  const watcher = await raw(t, server)
  watcher.send(['1', '1', 'realtime:silence', 'phx_join', { config: { presence: { key: 'watcher', enabled: true } } }])
  const [, , , , state] = await watcher.next((f) => f[3] === 'presence_state')
  assert.ok(state.silent, 'the state still has it')
  const diff = await watcher.next((f) => f[3] === 'presence_diff')
  assert.ok(diff[4].leaves.silent)
})

test('servers ask over HTTP who is present', async (t) => {
  const server = await serveMessages(t)
  const ann = await present(t, server, 'a room', 'ann')
  await ann.channel.track({ name: 'Ann' })
  await sees(ann, 'ann')
  const ask = (key, path = '/api/presence/a%20room') => fetch(server.url + path, { headers: { authorization: `Bearer ${key}` } })
  const service = token({ role: 'service_role' })
  for (const path of ['/api/presence/a%20room', '/realtime/v1/api/presence/a%20room']) {
    const answer = await ask(service, path)
    assert.equal(answer.status, 200)
    const state = await answer.json()
    assert.equal(state.ann.metas[0].name, 'Ann')
    assert.ok(state.ann.metas[0].phx_ref)
  }
  assert.deepEqual(await (await ask(service, '/api/presence/nobody')).json(), {})
  assert.deepEqual(await (await ask(service, '/api/presence/a%20room?private=true')).json(), {})
  assert.equal((await ask(anon)).status, 403)
  assert.equal((await ask('nonsense')).status, 401)
})
