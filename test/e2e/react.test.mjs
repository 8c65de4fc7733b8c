// The hooks of the client module, clients/js/react.js, in Chromium with React 18 and 19, and on a server without a page.
import './lib/modules.mjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { inChromium } from './lib/browser.mjs'
import { connect, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { page } from './lib/page.mjs'
import { relay } from './lib/relay.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** What every page has: React, a client, and show, which says what is mounted. */
const begin = (url) => `
import React, { createElement as h, StrictMode, Suspense, useState } from 'react'
import client from 'react-dom/client'
import { useBroadcast, useLiveTable, usePresence } from '@walcast/client/react'

const supabase = window.supabase.createClient(${JSON.stringify(url)}, ${JSON.stringify(anon)},
  { auth: { persistSession: false, autoRefreshToken: false }, realtime: { reconnectAfterMs: () => 50 } })
const root = client.createRoot(document.getElementById('root'))
window.show = (...parts) => root.render(h(StrictMode, null, h(Suspense, { fallback: 'waits' }, ...parts)))
window.text = () => document.body.innerText
window.channels = () => supabase.getChannels().map(({ topic }) => topic)
`

async function scene(t, react, script, name) {
  const server = await serve(t, { tables: name ? [name] : [] })
  const between = await relay(t, server)
  const opened = await page(t, { react, script: begin(between.url) + script })
  const joins = () => between.said.filter((m) => m[3] === 'phx_join').length
  return { server, between, joins, ...opened }
}

const Todos = (name) => `
const options = (more) => ({ table: '${name}', order: 'id', ...more })
let renders = []
window.renders = renders
function Todos({ more }) {
  const { rows, status, error, caughtUp } = useLiveTable(supabase, options(more))
  renders.push({ status, rows: rows.length })
  window.caughtUp = caughtUp
  return h('p', null, [status, error?.code, ...rows.map((row) => row.id + row.word)].join(' '))
}
`

if (inChromium) for (const react of ['18', '19']) {
  test(`React ${react}: useLiveTable, in StrictMode, with one channel for all components, which goes with the last`, async (t) => {
    const name = await table(t, 'id int primary key, word text')
    await database.query(`insert into ${name} values (1, 'a')`)
    const { sees, run, joins, between, errors } = await scene(t, react, `${Todos(name)}
      show(h(Todos, { key: 1 }), h(Todos, { key: 2 }))`, name)
    await sees(`text().match(/live 1a/g)?.length === 2`)
    assert.equal(joins(), 1)
    const { rows: [{ xid }] } = await database.query(`with done as (insert into ${name} values (2, 'b')) select pg_current_xact_id()::text as xid`)
    await run(`caughtUp('${xid}')`)
    await sees(`text().match(/live 1a 2b/g)?.length === 2`)
    await run('renders.length = 0')
    await database.query(`update ${name} set word = 'c' where id = 2`)
    await sees(`text().match(/live 1a 2c/g)?.length === 2`)
    assert.deepEqual(await run('renders'), Array(4).fill({ status: 'live', rows: 2 })) // two, each twice as StrictMode has it
    between.cut({ open: false })
    await sees(`text().match(/stale 1a 2c/g)?.length === 2`)
    between.open = true
    await sees(`text().match(/live 1a 2c/g)?.length === 2`)
    await run(`show()`)
    await sees(`channels().length === 0`)
    assert.deepEqual(errors.filter((text) => !text.includes('WebSocket')), [])
  })

  test(`React ${react}: other options are another table, none is no table, and what has suspended leaves nothing behind`, async (t) => {
    const name = await table(t, 'id int primary key, word text')
    await database.query(`insert into ${name} values (1, 'a'), (2, 'b')`)
    const { sees, run, joins, errors } = await scene(t, react, `${Todos(name)}
      let suspended = new Promise((resolve) => { window.goOn = () => { suspended = undefined; resolve() } })
      function Suspends() {
        const { status } = useLiveTable(supabase, options({ filter: 'id=eq.2' }))
        if (suspended) throw suspended
        return h('b', null, 'went on ' + status)
      }
      function None() { return h('i', null, 'none ' + useLiveTable(supabase, null).status) }
      window.parts = { todos: (more) => h(Todos, { key: 1, more }), none: () => h(None, { key: 2 }), suspends: () => h(Suspends, { key: 3 }) }
      show(parts.none(), parts.suspends())`, name)
    await sees(`text().includes('waits')`)
    assert.deepEqual(await run('channels()'), [])
    await run('goOn()')
    await sees(`text().includes('none loading') && text().includes('went on live')`)
    assert.equal(joins(), 1)
    await run(`show(parts.todos())`)
    await sees(`text() === 'live 1a 2b'`)
    await run(`show(parts.todos({ filter: 'id=eq.2' }))`)
    await sees(`text() === 'live 2b'`)
    await sees(`channels().length === 1`)
    await run(`show(parts.todos({ order: 'nowhere' }))`)
    await sees(`text().startsWith('loading ')`)
    await sees(`text() === 'loading unknown_column'`)
    assert.deepEqual(errors, [])
  })

  test(`React ${react}: usePresence and useBroadcast share the channel of a topic`, async (t) => {
    const { sees, run, joins, between, errors, server } = await scene(t, react, `
      const heard = window.heard = []
      function Room({ self, word }) {
        const present = usePresence(supabase, 'room', self)
        const send = useBroadcast(supabase, 'room', { said: (payload) => heard.push(word + payload.n), '*': (_, { event }) => heard.push(event) })
        window.send = send
        return h('p', null, Object.entries(present).map(([key, metas]) => key + metas.map(({ name }) => name)).sort().join(' '))
      }
      function Watcher() { return h('i', null, 'sees ' + Object.keys(usePresence(supabase, 'room')).sort().join(' ')) }
      window.parts = { room: (self, word) => h(Room, { key: 1, self, word }), watcher: () => h(Watcher, { key: 2 }) }
      show(parts.room({ key: 'ann', meta: { name: 'Ann' } }, 'first '), parts.watcher())`)
    await sees(`text().includes('annAnn') && text().includes('sees ann')`)
    assert.equal(joins(), 1)
    const other = connect(t, server).channel('room', { config: { presence: { key: 'bob', enabled: true } } })
    const heard = []
    const synced = []
    other.on('presence', { event: 'sync' }, () => synced.push(Object.keys(other.presenceState()).sort().join()))
    other.on('broadcast', { event: '*' }, ({ event, payload }) => heard.push([event, payload]))
    await subscribed(other)
    await other.track({ name: 'Bob' })
    await sees(`text().includes('annAnn bobBob') && text().includes('sees ann bob')`)
    await other.send({ type: 'broadcast', event: 'said', payload: { n: 1 } })
    await sees(`heard.length === 2`)
    await run(`show(parts.room({ key: 'ann', meta: { name: 'Anna' } }, 'second '), parts.watcher())`)
    await sees(`text().includes('annAnna bobBob')`)
    await until(() => other.presenceState().ann?.[0].name === 'Anna', 'the new name')
    assert.deepEqual([...new Set(synced)], ['ann', 'ann,bob']) // nobody left meanwhile
    await other.send({ type: 'broadcast', event: 'said', payload: { n: 2 } })
    await sees(`heard.length === 4`)
    assert.deepEqual(await run('heard'), ['first 1', 'said', 'second 2', 'said'])
    assert.equal(await run(`send('said', { n: 3 })`), 'ok')
    await until(() => heard.length === 1, 'the broadcast')
    assert.deepEqual(heard, [['said', { n: 3 }]])
    between.cut()
    await until(() => joins() === 2 && other.presenceState().ann?.[0].name === 'Anna', 'her to be back')
    await run(`show(parts.room({ key: 'eve', meta: { name: 'Eve' } }, ''), parts.watcher())`)
    await until(() => Object.keys(other.presenceState()).sort().join() === 'bob,eve', () => JSON.stringify(other.presenceState()))
    await sees(`text().includes('bobBob eveEve')`)
    assert.deepEqual(await run(`(async () => { // whoever sends while the key changes
      show(parts.room({ key: 'ida', meta: { name: 'Ida' } }, ''), parts.watcher())
      const sent = []
      for (let n = 0; n < 40; n++) {
        await new Promise((resolve) => setTimeout(resolve))
        sent.push(send('said', { n }))
      }
      return [...new Set(await Promise.all(sent))]
    })()`), ['ok'])
    await sees(`text().includes('bobBob idaIda')`)
    await run(`show(parts.watcher())`)
    await until(() => Object.keys(other.presenceState()).join() === 'bob', () => JSON.stringify(other.presenceState()))
    await run(`show()`)
    await sees(`channels().length === 0`)
    await run(`show(parts.watcher())`)
    await sees(`text().includes('sees bob')`)
    assert.deepEqual(errors.filter((text) => !text.includes('WebSocket')), [])
  })
}

test('on a server the hooks render without a connection', async () => {
  const { useBroadcast, useLiveTable, usePresence } = await import('../../clients/js/react.js')
  const supabase = { channel() { throw new Error('no channel is to be made') } }
  function App() {
    const { rows, status, error } = useLiveTable(supabase, { table: 'todos' })
    const present = usePresence(supabase, 'room', { key: 'ann' })
    useBroadcast(supabase, 'room', {})
    return JSON.stringify([rows, status, error, present])
  }
  assert.equal(renderToString(createElement(App)).replaceAll('&quot;', '"'), '[[],"loading",null,{}]')
})
