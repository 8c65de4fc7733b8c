import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, kinds, listen } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { token } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const team = (n, role = 'authenticated') => token({ role, team: n })
const rows = 300

for (const kind of Object.keys(kinds)) {
  test(`${kind}: setAuth changes who a channel acts as, and no row is lost or comes twice`, async (t) => {
    const notes = await table(t, 'id int primary key, team int', 'alter table TABLE enable row level security')
    await database.query(`create policy own on ${notes} for select using (team = 0 or team = (current_setting('request.jwt.claims', true)::jsonb ->> 'team')::int)`)
    const server = await serve(t, { tables: [notes] })
    const client = connect(t, server, { kind, key: team(1) })
    const auth = client.realtime ?? client
    const { events } = await listen(client, 'notes', { event: 'INSERT', schema: 'public', table: notes })
    let tokens = 0
    for (let id = 1; id <= rows; id++) {
      await database.query(`insert into ${notes} values ($1, $2)`, [id, id % 3])
      // Now and then the client catches up, or all rows may be decided for the last token.
      if (id % 30 === 0) await until(() => events.at(-1)?.new.id === id, `row ${id}, which everybody sees`)
      if (id % 10 === 5) await auth.setAuth(team(1 + tokens++ % 2, tokens % 4 < 2 ? 'anon' : 'authenticated'))
    }
    await until(() => events.at(-1)?.new.id === rows, 'the last row, which everybody sees')
    const ids = events.map((e) => e.new.id)
    assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), 'each once, in order')
    assert.deepEqual(ids.filter((id) => id % 3 === 0), Array.from({ length: rows / 3 }, (_, i) => 3 * (i + 1)))
    const other = ids.filter((id) => id % 3 !== 0)
    assert.ok(other.some((id) => id % 3 === 1) && other.some((id) => id % 3 === 2), 'rows of both teams, one after the other')
  })
}

test('a token that is not accepted ends the channel with the reason', async (t) => {
  const server = await serve(t)
  const client = connect(t, server)
  const told = []
  const statuses = []
  client.channel('room').on('system', {}, (payload) => told.push(payload.message)).subscribe((status) => statuses.push(status))
  await until(() => statuses.includes('SUBSCRIBED'), 'the channel')
  await client.realtime.setAuth(token({}, { secret: 'another secret' }))
  await until(() => statuses.includes('CLOSED'), 'its end')
  assert.ok(told.includes('Failed to validate JWT signature'), `told ${told}`)
})
