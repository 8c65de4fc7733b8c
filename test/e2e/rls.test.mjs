import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'
import { connect, listen } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { proxy } from './lib/proxy.mjs'
import { serve } from './lib/server.mjs'
import { anon, token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const [ann, bob] = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b']
const all = (todos) => ({ event: '*', schema: 'public', table: todos })

const policies = {
  'a comparison with a claim': (todos) => `create policy own on ${todos} for select to authenticated using (owner = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid)`,
  'a sub-select on another table': (todos) => `create policy own on ${todos} for select to authenticated using (exists (select from ${todos}_members m where m.owner = ${todos}.owner and m.member = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid))`,
}

for (const [name, policy] of Object.entries(policies)) {
  test(`row-level security by ${name}: everybody gets their rows and no other`, async (t) => {
    const todos = await table(t, 'id int primary key, owner uuid, body text', 'alter table TABLE enable row level security')
    await database.query(`create table ${todos}_members (owner uuid, member uuid)`)
    t.after(() => database.query(`drop table ${todos}_members cascade`))
    await database.query(`insert into ${todos}_members values ('${ann}', '${ann}'), ('${bob}', '${bob}')`)
    await database.query(`grant select on ${todos}_members to authenticated`)
    await database.query(policy(todos))
    const server = await serve(t, { tables: [todos] })
    const [anns, bobs, service, nobody] = await Promise.all([user(ann), user(bob), token({ role: 'service_role' }), anon]
      .map((key, i) => listen(connect(t, server, { key }), `own-${i}`, all(todos))))
    await database.query(`insert into ${todos} select n, case when n % 2 = 0 then '${ann}'::uuid else '${bob}' end, 'row ' || n from generate_series(1, 20) n`)
    await database.query(`update ${todos} set owner = '${bob}' where id = 2`)
    await until(() => service.events.length === 21 && anns.events.length >= 10 && bobs.events.length >= 11, 'all rows')
    assert.deepEqual(anns.events.map((e) => e.new.id), [2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
    assert.deepEqual(bobs.events.map((e) => [e.eventType, e.new.id]),
      [...[1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map((id) => ['INSERT', id]), ['UPDATE', 2]])
    assert.deepEqual(nobody.events, [])
  })
}

test('columns that the role may not see are not in the row', async (t) => {
  const people = await table(t, 'id int primary key, name text, secret text',
    'revoke all on TABLE from anon', 'grant select (id, name) on TABLE to anon')
  const server = await serve(t, { tables: [people] })
  const { events } = await listen(connect(t, server), 'people', all(people))
  await database.query(`insert into ${people} values (1, 'Ann', 'hush')`)
  await until(() => events.length === 1, 'the row')
  assert.deepEqual(events[0].new, { id: 1, name: 'Ann' })
})

test('a token that the client is asked for is there in every join, as the README has it', async (t) => {
  const todos = await table(t, 'id int primary key, owner uuid', 'alter table TABLE enable row level security',
    'create policy own on TABLE for select to authenticated using (owner = (select auth.uid()))')
  const server = await serve(t, { tables: [todos] })
  const wire = await proxy(t, server.port)
  const client = createClient(wire.url, anon, {
    accessToken: async () => user(ann), realtime: { transport: WebSocket, reconnectAfterMs: () => 50, params: { client_id: `tab-${process.pid}` } },
  })
  t.after(() => client.realtime.disconnect())
  await client.realtime.setAuth()
  const { events } = await listen(client, 'todos', all(todos))
  for (let id = 1; id <= 4; id++) {
    await database.query(`insert into ${todos} values ($1, $2), ($3, $4)`, [id, ann, -id, bob])
    await until(() => events.some((e) => e.new.id === id), `row ${id}`)
    wire.cut()
  }
  assert.deepEqual([...new Set(events.map((e) => e.new.id))], [1, 2, 3, 4])
})
