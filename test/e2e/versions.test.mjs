// The table of docs/clients.md, tried: a cell that says yes works, and one that says no does not.
import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { liveTable, resumable } from '../../clients/js/index.js'
import { database, table } from './lib/database.mjs'
import { open, serveMessages } from './lib/messages.mjs'
import { proxy } from './lib/proxy.mjs'
import { anon, user } from './lib/tokens.mjs'
import { until, within } from './lib/until.mjs'
import { versions } from './lib/versions.mjs'

const ann = '00000000-0000-4000-8000-00000000000a'
const bob = '00000000-0000-4000-8000-00000000000b'

let count = 0
const topicOf = () => `version-${process.pid}-${++count}`

/** Makes a table that the server publishes. */
async function published(t, server, columns, ...after) {
  const name = await table(t, columns, ...after)
  await database.query(`alter publication ${server.name} add table ${name}`)
  return name
}

/** A channel that collects what it brings. */
function listen(client, topic, { table, filter, resume, config } = {}) {
  const seen = { rows: [], heard: [], told: [] }
  const channel = client.channel(topic, config).broadcasts((message) => seen.heard.push(message)).system((message) => seen.told.push(message))
  if (table) channel.rows({ event: 'INSERT', schema: 'public', table, ...(filter && { filter }), ...(resume && { resume }) }, ({ record }) => seen.rows.push(record.id))
  return Object.assign(seen, { channel, armed: (times = 1) => until(() => seen.told.filter((s) => s.message === 'Subscribed to PostgreSQL').length >= times, 'the bindings to work') })
}

/** Has a channel join, and get row 1, and row 2 though its connection is cut when that is written. */
async function catchUp(one, todos, between) {
  await one.channel.join()
  await one.armed()
  await database.query(`insert into ${todos} values (1)`)
  await until(() => one.rows.length > 0, 'the row before')
  between.cut({ open: false })
  await database.query(`insert into ${todos} values (2)`)
  between.open = true
  await until(() => one.rows.includes(2), 'the row that was missed')
}

/** What clients may have: each is tried with a client, and says whether it has it, or fails. */
const features = {
  async 'row changes'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key')
    const one = listen(connect(anon), topicOf(), { table: todos, filter: 'id=gt.1' })
    await one.channel.join()
    await one.armed()
    await database.query(`insert into ${todos} values (1), (2)`)
    await until(() => one.rows.length > 0, 'the row')
    assert.deepEqual(one.rows, [2])
  },

  async 'why no rows come'({ t, connect }) {
    const one = listen(connect(anon), topicOf(), { table: 'nowhere' })
    await one.channel.join()
    await until(() => one.told.some(({ status, code }) => status === 'error' && code === 'unknown_table'), () => `why, have ${JSON.stringify(one.told)}`)
  },

  async 'goes on after warnings and `resync_required`'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key, note text', 'alter table TABLE enable row level security',
      `create policy raising on TABLE for select to anon using (case when note = 'bad' then 1 / (id - id) > 0 else true end)`)
    const one = listen(connect(anon), topicOf(), { table: todos, resume: { from: '0/1:0' } })
    await one.channel.join()
    await until(() => one.told.some(({ message }) => message.startsWith('resync_required: ')), 'the resync')
    await one.armed()
    await database.query(`insert into ${todos} values (1, 'bad')`)
    await until(() => one.told.some(({ code }) => code === 'policy_raised'), 'the warning')
    await database.query(`insert into ${todos} values (2, 'good')`)
    await until(() => one.rows.length > 0, 'the row')
    assert.deepEqual([one.rows, one.channel.inner.state], [[2], 'joined'])
    assert.deepEqual(one.told.filter(({ status }) => status !== 'ok'), [])
    assert.equal(one.told.filter(({ message }) => message === 'Subscribed to PostgreSQL').length, 1) // it has not joined again
  },

  async broadcasts({ connect }) {
    const topic = topicOf()
    const [a, b] = [true, false].map((self) => listen(connect(anon), topic, { config: { broadcast: { self, ack: true } } }))
    await a.channel.join()
    await b.channel.join()
    assert.equal(await a.channel.say('said', { n: 1 }), 'ok')
    for (const { heard } of [a, b]) {
      await until(() => heard.length === 1, 'the message')
      assert.deepEqual([heard[0].event, heard[0].payload], ['said', { n: 1 }])
    }
  },

  async 'broadcasts of bytes'({ connect }) {
    const topic = topicOf()
    const [a, b] = [1, 2].map(() => listen(connect(anon), topic, { config: { broadcast: { ack: true } } }))
    await a.channel.join()
    await b.channel.join()
    await a.channel.say('said', new Uint8Array([0, 255]).buffer)
    await until(() => b.heard.length === 1, 'the message')
    const bytes = b.heard[0] instanceof ArrayBuffer ? b.heard[0] : b.heard[0].payload
    return bytes instanceof ArrayBuffer && Buffer.from(bytes).equals(Buffer.from([0, 255]))
  },

  async presence({ connect }) {
    const topic = topicOf()
    const [a, b] = ['ann', 'bob'].map((key) => listen(connect(anon), topic, { config: { presence: { key, enabled: true } } }))
    for (const one of [a, b]) await one.channel.presence().join()
    assert.equal(await a.channel.track({ n: 1 }), 'ok')
    await until(() => b.channel.present.ann?.[0]?.n === 1, 'ann to be seen')
    assert.equal(await a.channel.leave(), 'ok')
    await until(() => !b.channel.present.ann, 'ann to be gone')
  },

  async 'private channels and replay'({ t, connect }) {
    const topic = topicOf()
    const isPublic = await listen(connect(user(ann)), topic, { config: { private: true } }).channel.join().catch((error) => {
      assert.match(error.message, /Unauthorized: You do not have permissions to read/)
    })
    if (isPublic) return false // it does not send what it does not know
    await open(t, topic)
    await database.query(`select realtime.send('{"n": 1}', 'said', $1)`, [topic])
    const one = listen(connect(user(ann)), topic, { config: { private: true, broadcast: { replay: { since: Date.now() - 60_000, limit: 5 } } } })
    await one.channel.join()
    await until(() => one.heard.length === 1, 'the replay')
    assert.deepEqual([one.heard[0].event, one.heard[0].payload.n, one.heard[0].meta.replayed], ['said', 1, true])
  },

  async 'new tokens'({ t, server, connect }) {
    const own = await published(t, server, 'id int primary key, owner uuid', 'alter table TABLE enable row level security',
      'create policy own on TABLE for select to authenticated using (owner = auth.uid())')
    const client = connect(user(ann))
    const one = listen(client, topicOf(), { table: own })
    await one.channel.join()
    await one.armed()
    await client.setAuth(user(bob))
    await one.armed(2)
    await database.query(`insert into ${own} values (1, $1), (2, $2)`, [ann, bob])
    await until(() => one.rows.length > 0, 'the row')
    assert.deepEqual(one.rows, [2])
  },

  async 'leaves and joins again'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key')
    const client = connect(anon)
    const topic = topicOf()
    await listen(client, topicOf()).channel.join() // so that the socket stays
    for (const id of [1, 2]) {
      const one = listen(client, topic, { table: todos })
      await one.channel.join()
      await one.armed()
      await database.query(`insert into ${todos} values (${id})`)
      await until(() => one.rows.length > 0, 'the row')
      assert.deepEqual(one.rows, [id])
      assert.equal(await one.channel.leave(), 'ok')
    }
  },

  async 'comes back without loss'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key')
    const between = await proxy(t, server.port)
    const one = listen(connect(anon, { server: between, params: { client_id: topicOf() } }), topicOf(), { table: todos })
    await catchUp(one, todos, between)
    assert.deepEqual([...new Set(one.rows)], [1, 2])
  },

  async '`resumable`'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key')
    const between = await proxy(t, server.port)
    const one = listen(connect(anon, { server: between }), topicOf(), { table: todos })
    resumable(one.channel.inner, { onResync: () => assert.fail('nothing is missing') })
    await catchUp(one, todos, between)
    await database.query(`insert into ${todos} values (3)`)
    await until(() => one.rows.includes(3), 'the row after')
    assert.deepEqual(one.rows, [1, 2, 3])
  },

  async '`liveTable`'({ t, server, connect }) {
    const todos = await published(t, server, 'id int primary key')
    await database.query(`insert into ${todos} values (1)`)
    const between = await proxy(t, server.port)
    const { client } = connect(anon, { server: between })
    if (!client) return false // it is for clients of supabase-js
    const live = liveTable(client, { table: todos })
    t.after(live.close)
    await until(() => live.status === 'live', () => `the rows, have ${live.status} and ${live.error}`)
    between.cut({ open: false })
    await database.query(`insert into ${todos} values (2)`)
    between.open = true
    await within(live.caughtUp(), () => `caughtUp, have ${live.status} and ${live.error}`)
    assert.deepEqual(live.rows, [{ id: 1 }, { id: 2 }])
  },

  async '`httpSend`'({ t, connect }) {
    const topic = topicOf()
    const b = listen(connect(anon), topic)
    await b.channel.join()
    const { inner } = connect(anon).channel(topic)
    if (typeof inner.httpSend !== 'function') return false
    await inner.httpSend('said', { n: 1 })
    await until(() => b.heard.length === 1, 'the message')
  },

  async '`postgres_changes_options`'({ t, connect }) {
    const hidden = await table(t, 'id int primary key')
    const one = listen(connect(anon), topicOf(), { table: hidden, config: { postgres_changes_options: { wait: true } } })
    try {
      await one.channel.join()
      return false
    } catch (error) {
      assert.match(error.message, /^RealtimeDisabledForConfiguration: /)
    } finally {
      await one.channel.leave()
    }
  },

  async '`persist`'({ t, connect }) {
    const topic = topicOf()
    await open(t, topic)
    const one = listen(connect(user(ann)), topic, { config: { private: true, broadcast: { ack: true } } })
    await one.channel.join()
    await one.channel.say('said', { n: 1 }, { persist: true })
    const { rows } = await database.query('delete from realtime.messages where topic = $1 returning id', [topic])
    return rows.length === 1
  },
}

/** The cells of the table: by version, then by feature. */
async function cells() {
  const text = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8')
  const [head, , ...lines] = text.split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  return Object.fromEntries(head.slice(1).map((version, i) => [version, Object.fromEntries(lines.map(([feature, ...row]) => [feature, row[i]]))]))
}

const expected = await cells()

test('the table names what is tried', () => {
  assert.deepEqual(Object.keys(expected), Object.keys(versions))
  for (const row of Object.values(expected)) assert.deepEqual(Object.keys(row), Object.keys(features))
})

for (const [version, connectTo] of Object.entries(versions)) {
  test(version, async (t) => {
    const server = await serveMessages(t)
    for (const [feature, has] of Object.entries(features)) {
      if (expected[version][feature] === 'never') continue // which takes for ever to see
      await t.test(feature, async (t) => {
        const connect = (key, { server: to = server, params } = {}) => connectTo(t, to, key, params)
        const got = (await has({ t, server, connect })) ?? true
        assert.equal(got ? 'yes' : 'no', expected[version][feature])
      })
    }
  })
}
