// liveTable with a filter and with row-level security: rows enter and leave, whatever it is that makes them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { database, transaction } from './lib/database.mjs'
import { user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'
import { memory, scene, watch, xidOf } from './lib/watch.mjs'

const [ann, bob] = ['a', 'b'].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`)

test('rows enter a filter and leave it, by UPDATE and DELETE, without anything set for the table', async (t) => {
  const { name, client, between } = await scene(t, { rows: `values (1, 1), (2, 20)` })
  const { live, is, ids, told } = watch(t, client, { table: name, filter: 'n=lt.10', order: 'id' })
  await is('live')
  assert.deepEqual(ids(), [1])
  const sees = async (statement, ...expected) => {
    await live.caughtUp(await xidOf(statement))
    assert.deepEqual(ids(), expected, statement)
  }
  await sees(`update ${name} set n = 2 where id = 2`, 1, 2)
  await sees(`update ${name} set n = 30 where id = 1`, 2)
  await sees(`update ${name} set id = 7 where id = 2`, 7)
  await sees(`insert into ${name} values (8, 8), (9, 90)`, 7, 8)
  await sees(`delete from ${name} where id = 7`, 8)
  between.cut({ open: false })
  await is('stale')
  await database.query(`update ${name} set n = n + 100`)
  await database.query(`update ${name} set n = 0 where id = 9`)
  between.open = true
  await is('live')
  assert.deepEqual(ids(), [9])
  assert.ok(told.length > 6)
})

test('a TRUNCATE empties it, and what comes after shows', async (t) => {
  const { name, client } = await scene(t, { rows: `values (1, 1), (2, 2)` })
  const { live, is, ids } = watch(t, client, { table: name, filter: 'n=lt.10' })
  await is('live')
  await transaction(async (connection) => {
    await connection.query(`truncate ${name}`)
    await connection.query(`insert into ${name} values (3, 3)`)
  })
  await until(() => ids().join() === '3', () => `row 3, have ${ids()}`)
  await live.caughtUp(await xidOf(`insert into ${name} values (4, 4)`))
  assert.deepEqual(ids(), [3, 4])
})

test('what the user may see changes with the row and with the policy', async (t) => {
  const { name, client } = await scene(t, {
    columns: 'id int primary key, owner uuid', rows: `values (1, '${ann}'), (2, '${bob}')`, key: user(ann),
    after: ['alter table TABLE enable row level security', 'create policy mine on TABLE for select using (owner = (select auth.uid()))'],
  })
  client.realtime.accessToken = async () => user(ann)
  await client.realtime.setAuth()
  const { live, is, ids } = watch(t, client, { table: name, order: 'id' })
  await is('live')
  assert.deepEqual(ids(), [1])
  await live.caughtUp(await xidOf(`update ${name} set owner = '${ann}' where id = 2`))
  assert.deepEqual(ids(), [1, 2])
  await live.caughtUp(await xidOf(`update ${name} set owner = '${bob}' where id = 1`))
  assert.deepEqual(ids(), [2])
  await database.query(`alter policy mine on ${name} using (id = 1)`)
  await until(() => ids().join() === '1', () => `row 1, have ${ids()}`)
})

test('with a limit, a filter and a policy, the rows are those of the database', async (t) => {
  const { name, client } = await scene(t, { columns: 'id int primary key, kind int, n int', rows: 'select id, id % 4, id / 2 from generate_series(1, 200) as id' })
  const { live, is } = watch(t, client, { table: name, filter: 'kind=lt.2', order: 'n.desc,id', limit: 3 })
  await is('live')
  for (const statement of [
    `update ${name} set kind = 3 where n > 95`, `update ${name} set kind = 0 where id = 3`, `update ${name} set n = 1000 where id = 3`,
    `delete from ${name} where id = 3`, `update ${name} set kind = 2 where n > 20`, `update ${name} set kind = kind - 1, id = id + 1000 where n > 90`,
  ]) {
    await live.caughtUp(await xidOf(statement))
    const { rows } = await database.query(`select * from ${name} where kind < 2 order by n desc, id limit 3`)
    await until(() => JSON.stringify(live.rows) === JSON.stringify(rows), () => `${JSON.stringify(rows)} after ${statement}, have ${JSON.stringify(live.rows)}`)
  }
})

for (const limit of [undefined, 2]) {
  test(`a reload shows what was kept, and then what there is${limit ? ', with a limit' : ''}`, async (t) => {
    const { name, client } = await scene(t, { rows: 'select id, id from generate_series(1, 10) as id' })
    const options = { table: name, filter: 'n=gt.5', order: 'id.desc', limit, storage: memory() }
    const before = watch(t, client, options)
    await before.is('live')
    const all = before.ids()
    assert.equal(all[0], 10)
    before.live.close()
    await database.query(`update ${name} set n = 0 where id = 10`)
    await database.query(`delete from ${name} where id = 8`)
    const { live, is, ids } = watch(t, client, options)
    assert.deepEqual([live.status, ids()], ['stale', all])
    await is('live')
    assert.deepEqual(ids(), limit ? [9, 7] : [9, 7, 6])
  })
}
