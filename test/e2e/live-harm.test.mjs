// Live tables of the client module under what happens at the worst moment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { database } from './lib/database.mjs'
import { user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'
import { memory, scene, watch, xidOf } from './lib/watch.mjs'

const [ann, bob] = ['a', 'b'].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`)

for (const limit of [undefined, 3]) test(`users who change while a snapshot arrives see no row of another, ${limit ? `with a limit of ${limit}` : 'without a limit'}`, async (t) => {
  const { name, client, between } = await scene(t, {
    columns: 'id int primary key, owner uuid', rows: `select id, case when id > 50 then '${ann}' else '${bob}' end::uuid from generate_series(1, 100) as id`,
    after: ['alter table TABLE enable row level security', 'create policy mine on TABLE for select using (owner = (select auth.uid()))'],
  })
  let held
  client.realtime.accessToken = async () => held
  const become = (sub) => {
    held = user(sub)
    return client.realtime.setAuth()
  }
  await become(ann)
  const late = []
  between.toClient = (m) => {
    if (m[4]?.code !== 'snapshot_end') return m
    late.push(m)
  }
  const { live, told, is, ids } = watch(t, client, { table: name, order: 'id', limit })
  await until(() => late.length > 0, 'the end of the first snapshot')
  await become(bob)
  await until(() => between.resumes.length === 2, 'the join for the other')
  between.toClient = (m) => m
  for (const message of late) between.tell(message)
  await become(ann)
  await become(bob)
  await live.caughtUp(await xidOf(`insert into ${name} values (0, '${bob}')`))
  await is('live')
  assert.deepEqual([ids()[0], live.rows.length], [0, limit ?? 51])
  for (const { rows } of told) assert.ok(new Set(rows.map(({ owner }) => owner)).size <= 1)
})

test('a server that is killed in the middle of a transaction shows all of it, in one step', async (t) => {
  const { name, server, between, client } = await scene(t, { rows: 'values (0, 0)' })
  const { live, told, is } = watch(t, client, { table: name })
  await is('live')
  let count = 0
  let isBack
  between.toClient = (m) => {
    if (m[3] === 'postgres_changes' && !m[4].data.snapshot && ++count === 500) isBack = server.end('SIGKILL').then(() => server.start())
    return m
  }
  await database.query(`insert into ${name} select id, id from generate_series(1, 5000) as id`)
  await until(() => live.rows.length === 5001 && live.status === 'live', () => `${live.rows.length} rows, ${live.status}`)
  await isBack
  assert.ok(told.every(({ rows }) => rows.length === 1 || rows.length === 5001))
})

test('two tabs with one storage: what is kept is of one moment, and goes on', async (t) => {
  const storage = memory()
  const { name, client } = await scene(t, { rows: 'values (1, 1)' })
  const tabs = [0, 1].map(() => watch(t, client, { table: name, storage }))
  for (const { is } of tabs) await is('live')
  await database.query(`insert into ${name} values (2, 2)`)
  for (const { live } of tabs) await live.caughtUp()
  tabs[0].live.close()
  await tabs[1].live.caughtUp(await xidOf(`insert into ${name} values (3, 3)`))
  const third = watch(t, client, { table: name, storage })
  assert.deepEqual([third.live.status, third.ids()], ['stale', [1, 2]])
  await third.is('live')
  assert.deepEqual(third.ids(), [1, 2, 3])
})

test('a table whose channel the app has removed is closed, and another works', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 1)' })
  const { live, is, told } = watch(t, client, { table: name })
  await is('live')
  await client.removeAllChannels()
  assert.deepEqual([live.status, told.map(({ status }) => status)], ['closed', ['live', 'closed']])
  await watch(t, client, { table: name }).is('live')
})
