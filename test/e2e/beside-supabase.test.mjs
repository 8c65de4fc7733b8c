// walcast in the place of realtime in Supabase's stack: started by the variables of its compose file, behind its gateway.
import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { gateway } from './lib/gateway.mjs'
import { serve } from './lib/server.mjs'
import { stream } from './lib/stream.mjs'
import { SECRET, anon, token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const METRICS = 'a-secret-for-metrics-with-32-characters'

/** What the stack sets, and the publication of this test. */
const compose = ({ port, name, databaseURL }) => {
  const { hostname, port: of, username, password, pathname } = new URL(databaseURL)
  return {
    flags: ['--publication', name],
    env: {
      PORT: `${port}`, DB_HOST: hostname, DB_PORT: of, DB_USER: decodeURIComponent(username), DB_PASSWORD: decodeURIComponent(password), DB_NAME: pathname.slice(1),
      DB_AFTER_CONNECT_QUERY: 'SET search_path TO _realtime', DB_ENC_KEY: 'supabaserealtime', API_JWT_SECRET: SECRET, METRICS_JWT_SECRET: METRICS,
      SLOT_NAME_SUFFIX: name, SECRET_KEY_BASE: 'x'.repeat(64), ERL_AFLAGS: '-proto_dist inet_tcp', RLIMIT_NOFILE: '10000', APP_NAME: 'realtime', SEED_SELF_HOST: 'true', RUN_JANITOR: 'true',
    },
  }
}

test('all that clients do comes through the gateway', async (t) => {
  const todos = await table(t, 'id int primary key')
  const server = await serve(t, { tables: [todos], environment: compose })
  const through = await gateway(t, server)
  for (const kind of Object.keys(kinds)) {
    const channel = connect(t, through, { kind }).channel(`room of ${kind}`, { config: { broadcast: { self: true }, presence: { key: kind } } })
    const rows = []
    const heard = []
    channel.on('postgres_changes', { event: '*', schema: 'public', table: todos }, ({ new: row }) => rows.push(row.id))
    channel.on('broadcast', { event: 'hello' }, ({ payload }) => heard.push(payload))
    const armed = new Promise((resolve) => { channel.on('system', {}, ({ status }) => { if (status === 'ok') resolve() }) })
    await subscribed(channel)
    await armed
    await channel.send({ type: 'broadcast', event: 'hello', payload: { by: 'socket' } })
    await channel.track({ at: 'desk' })
    const { rows: [{ id }] } = await database.query(`insert into ${todos} select count(*) + 1 from ${todos} returning id`)
    await until(() => rows.includes(id), `row ${id} for ${kind}`)
    await until(() => heard.length === 1 && channel.presenceState()[kind], `a broadcast and presence for ${kind}`)
    const posted = await fetch(`${through.url}/realtime/v1/api/broadcast`, {
      method: 'POST', headers: { apikey: anon, 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ topic: `room of ${kind}`, event: 'hello', payload: { by: 'http' } }] }),
    })
    assert.equal(posted.status, 202)
    await until(() => heard.length === 2, `a broadcast over HTTP for ${kind}`)
    assert.deepEqual(heard, [{ by: 'socket' }, { by: 'http' }])
  }
  const events = await stream(t, through, { topic: 'stream', table: todos, event: 'INSERT' })
  await events.until('phx_reply')
  await database.query(`insert into ${todos} values (100)`)
  await events.until('postgres_changes')
  assert.deepEqual(events.ids(), [100])
})

test("the stack's check of health and its metrics are answered", async (t) => {
  const server = await serve(t, { environment: compose })
  const health = (method, key) => fetch(`${server.url}/api/tenants/realtime-dev/health`, { method, headers: { authorization: `Bearer ${key}` } })
  assert.equal((await health('HEAD', anon)).status, 200) // as the compose file asks
  assert.equal((await health('HEAD', 'nonsense')).status, 403)
  const { data } = await (await health('GET', anon)).json()
  assert.equal(data.healthy, true)
  assert.equal((await fetch(`${server.url}/metrics`)).status, 403)
  const metrics = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${token({}, { secret: METRICS })}` } })
  assert.match(await metrics.text(), /\nwalcast_gateway_sessions 0\n/)
})
