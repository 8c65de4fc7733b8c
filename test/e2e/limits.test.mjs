import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, subscribed } from './lib/clients.mjs'
import { serve } from './lib/server.mjs'
import { until } from './lib/until.mjs'

const tooFast = /ClientJoinRateLimitReached: Too many joins per second/

for (const kind of Object.keys(kinds)) {
  test(`${kind}: whose joins come too fast is told, and nobody else notices`, async (t) => {
    const server = await serve(t, { flags: ['--joins-per-second', '3'] })
    const client = connect(t, server, { kind })
    const bystander = await subscribed(connect(t, server).channel('room-0', { config: { broadcast: { self: true } } }))
    const heard = []
    bystander.on('broadcast', { event: 'e' }, ({ payload }) => heard.push(payload.n))
    const joined = new Set()
    const refused = new Map()
    for (let i = 0; i < 8; i++) {
      client.channel(`room-${i}`).subscribe((status, error) => {
        if (status === 'SUBSCRIBED') joined.add(i)
        else if (error) refused.set(i, error.message)
      })
    }
    for (let n = 0; n < 5; n++) await bystander.send({ type: 'broadcast', event: 'e', payload: { n } })
    await until(() => new Set([...joined, ...refused.keys()]).size === 8, 'an answer to each join')
    assert.ok(joined.size >= 3 && refused.size >= 1, `${joined.size} joined, ${refused.size} refused`)
    for (const reason of refused.values()) assert.match(reason, tooFast)
    // The newest tries again by itself, the older ones leave that to the app.
    if (kind.startsWith('supabase-js')) await until(() => joined.size === 8, 'all joins in the end')
    await until(() => heard.length === 5, 'what the bystander says')
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    assert.match(metrics, /walcast_gateway_limited_total\{limit="joins"\} [1-9]/)
  })
}
