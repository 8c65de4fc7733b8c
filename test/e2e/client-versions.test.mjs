// The client module, clients/js, with versions of supabase-js whose channels leave and join otherwise than those of the newest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { liveTable } from '../../clients/js/index.js'
import { Room } from '../../clients/js/room.js'
import { connect } from './lib/clients.mjs'
import { database, table } from './lib/database.mjs'
import { relay } from './lib/relay.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until, within } from './lib/until.mjs'
import { versions } from './lib/versions.mjs'

const kinds = ['supabase-js 2.49', 'supabase-js 2.90']

/** A live table of ten rows, which is live, behind a relay that cuts the connection at some joins. */
async function scene(t, kind, { cutAt = [], ...options } = {}) {
  const name = await table(t, 'id int primary key')
  await database.query(`insert into ${name} select generate_series(1, 10)`)
  let joins = 0
  const between = await relay(t, await serve(t, { tables: [name] }), {
    toServer(m) {
      if ((m[3] ?? m.event) !== 'phx_join' || !cutAt.includes(++joins)) return m
      between.cut()
    },
  })
  const { client } = versions[kind](t, between, anon)
  const live = liveTable(client, { table: name, order: 'id', ...options })
  t.after(live.close)
  const caughtUp = () => within(live.caughtUp(), () => `caughtUp, have ${live.status} and ${live.error}`)
  await until(() => live.status === 'live', () => `live, have ${live.status} and ${live.error}`)
  return { name, client, between, live, caughtUp, joins: () => joins }
}

for (const kind of kinds) {
  test(`${kind}: a table joins anew with another channel, which stays`, async (t) => {
    const { name, client, live, caughtUp } = await scene(t, kind, { limit: 3 })
    await database.query(`insert into ${name} values (0)`)
    await caughtUp()
    assert.deepEqual(live.rows.map(({ id }) => id), [0, 1, 2])
    assert.equal(client.getChannels().length, 1)
    client.realtime.disconnect() // before the server goes, or it would be connecting when the test ends
  })

  test(`${kind}: a room joins by another key, and sends what waits meanwhile`, async (t) => {
    const server = await serve(t)
    const { client } = versions[kind](t, server, anon)
    const other = connect(t, server).channel('room', { config: { presence: { key: 'other', enabled: true } } })
    other.on('presence', { event: 'sync' }, () => {}).subscribe()
    const room = new Room(client, 'room', { self: true })
    t.after(() => room.close())
    const heard = []
    room.listen((message) => message && heard.push(message.payload.key))
    for (const key of ['ann', 'bob', 'eve']) {
      const leave = room.appear({ key })
      await until(() => Object.keys(other.presenceState()).join() === key, () => `${key}, have ${JSON.stringify(other.presenceState())}`)
      leave()
      room.appear({ key: `${key}'s` })()
      assert.equal(await within(room.send('said', { key }), () => 'the broadcast'), 'ok')
      await until(() => heard.includes(key), () => `${key} to be heard, have ${heard}`)
    }
    assert.equal(client.getChannels().length, 1)
    client.realtime.disconnect()
  })

  if (kind !== 'supabase-js 2.49') test(`${kind}: a connection that is lost before a join is answered is no matter`, async (t) => { // 2.49 does not come back
    const { name, client, between, live, joins, caughtUp } = await scene(t, kind, { cutAt: [1, 3] })
    between.cut()
    await until(() => joins() >= 3, 'another join')
    await database.query(`insert into ${name} values (11)`)
    await caughtUp()
    assert.equal(live.rows.length, 11)
    client.realtime.disconnect()
  })
}

test('what is sent while a channel joins by a key that has changed meanwhile is sent by the next', async (t) => {
  let joins = 0
  let leave
  const between = await relay(t, await serve(t), {
    toServer(m) {
      if (m[3] === 'phx_join' && ++joins === 1) {
        leave()
        room.appear({ key: 'bob' })
      }
      return m
    },
  })
  const room = new Room(connect(t, between), 'room', {})
  t.after(() => room.close())
  leave = room.appear({ key: 'ann' })
  assert.equal(await within(room.send('said', {}), () => `a broadcast after ${joins} joins`), 'ok')
  assert.equal(joins, 2)
})
