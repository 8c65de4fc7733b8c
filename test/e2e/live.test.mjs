// liveTable of the client module, clients/js, with the real client, through a relay that reads and cuts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { liveTable } from '../../clients/js/index.js'
import { connect, kinds, rejoining, soon } from './lib/clients.mjs'
import { database, transaction } from './lib/database.mjs'
import { proxy } from './lib/proxy.mjs'
import { token, user } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'
import { memory, scene, watch, withoutView, xidOf } from './lib/watch.mjs'

const rowsOf = async (name, rest = 'order by id') => (await database.query(`select * from ${name} ${rest}`)).rows

test('the rows come, then each transaction at once; unchanged rows stay the same objects', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 10), (2, 20)' })
  const { live, told, is } = watch(t, client, { table: name, order: 'n' })
  assert.deepEqual([live.status, live.error, live.rows], ['loading', null, []])
  await is('live')
  assert.deepEqual(told, [{ status: 'live', error: null, rows: [{ id: 1, n: 10 }, { id: 2, n: 20 }] }])
  const [one] = live.rows
  await transaction(async (connection) => {
    await connection.query(`insert into ${name} values (3, 5)`)
    await connection.query(`update ${name} set n = 1 where id = 2`)
    await connection.query(`update ${name} set id = 4 where id = 3`)
  })
  await live.caughtUp()
  await live.caughtUp(await xidOf(`delete from ${name} where id = 2`))
  assert.deepEqual(told.slice(1).map(({ rows }) => rows), [[{ id: 2, n: 1 }, { id: 4, n: 5 }, { id: 1, n: 10 }], [{ id: 4, n: 5 }, { id: 1, n: 10 }]])
  assert.equal(live.rows[1], one)
})

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: never a state between two transactions, over cuts and a kill -9, and the right one at the end`, async (t) => {
    const { name, server, between } = await scene(t, { rows: 'select id, 100 from generate_series(1, 10) as id' })
    const client = connect(t, between, { kind, options: soon(kind) })
    const { live, told, is } = watch(t, client, { table: name, order: 'n.desc,id' })
    await is('live')
    for (let turn = 0; turn < 40; turn++) {
      await transaction(async (connection) => { // the sum stays
        await connection.query(`update ${name} set n = n - 7 where id = $1`, [1 + turn % 10])
        await connection.query(`update ${name} set n = n + 7 where id = $1`, [1 + (turn * 3 + 1) % 10])
        await connection.query(`delete from ${name} where id = $1`, [1 + turn % 10])
        await connection.query(`insert into ${name} select $1, 1000 - sum(n) from ${name}`, [1 + turn % 10])
      })
      if (turn % 8 === 3) between.cut()
      if (turn === 20) {
        await server.end('SIGKILL')
        await server.start()
      }
    }
    await live.caughtUp()
    await is('live')
    assert.deepEqual(live.rows, await rowsOf(name, 'order by n desc, id'))
    for (const { rows } of told) assert.equal(rows.reduce((sum, { n }) => sum + n, 0), 1000, JSON.stringify(rows))
    assert.ok(told.some(({ status }) => status === 'stale'))
  })
}

for (const kind of ['realtime-js 2.11.7', 'realtime-js 2.10']) {
  test(`${kind}: a join that is answered late is waited for`, async (t) => {
    const late = []
    let isSlow = false
    const toClient = (m) => {
      if (!isSlow) return m
      if (late.push(m) > 1) return
      setTimeout(() => { // the client would have tried again by then
        isSlow = false
        late.forEach((each) => between.tell(each))
      }, 600)
    }
    const { name, between } = await scene(t, { rows: 'values (1, 10)', toClient })
    const { live, is, ids } = watch(t, connect(t, between, { kind, options: { reconnectAfterMs: () => 100 } }), { table: name })
    await is('live')
    between.cut({ open: false })
    await is('stale')
    await database.query(`insert into ${name} values (2, 20)`)
    isSlow = true
    between.open = true
    await until(() => late.length > 0 && !isSlow, 'late answers')
    await live.caughtUp()
    await is('live')
    assert.deepEqual(ids(), [1, 2])
    assert.equal(between.said.filter((m) => (m[3] ?? m.event) === 'phx_leave').length, 0)
  })
}

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: a connection that is lost before a join is answered is no matter`, async (t) => {
    let joins = 0
    const { name, between } = await scene(t, {
      rows: 'values (1, 10)',
      toServer(m) {
        if ((m[3] ?? m.event) !== 'phx_join' || ![1, 3].includes(++joins)) return m
        between.cut()
      },
    })
    const { live, is, ids } = watch(t, connect(t, between, { kind, options: soon(kind) }), { table: name })
    await is('live')
    between.cut()
    await until(() => joins >= 3, 'another join')
    await live.caughtUp(await xidOf(`insert into ${name} values (2, 20)`))
    await is('live')
    assert.deepEqual(ids(), [1, 2])
  })
}

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: a join that is refused is tried again`, async (t) => {
    let joins = 0
    const { name, between } = await scene(t, {
      rows: 'values (1, 10)',
      toServer(m) {
        if ((m[3] ?? m.event) === 'phx_join' && [1, 3].includes(++joins)) (m[4] ?? m.payload).access_token = 'none'
        return m
      },
    })
    const { live, is, ids } = watch(t, connect(t, between, { kind, options: soon(kind) }), { table: name })
    await until(() => live.error, 'the refusal')
    assert.match(live.error.message, /^MalformedJWT: /)
    await is('live')
    between.cut()
    await until(() => joins >= 3, 'another join')
    await live.caughtUp(await xidOf(`insert into ${name} values (2, 20)`))
    await is('live')
    assert.deepEqual(ids(), [1, 2])
  })
}

for (const [kind, asked] of [['a view', {}], ['no view', withoutView]]) {
  test(`${kind}: a lost connection makes it stale, with its rows, and what was missed makes it live again, without another snapshot`, async (t) => {
    const { name, between, client } = await scene(t, { rows: 'values (1, 10)', ...asked })
    const { live, told, is, ids } = watch(t, client, { table: name })
    await is('live')
    between.cut({ open: false })
    await is('stale')
    assert.deepEqual(ids(), [1])
    await database.query(`insert into ${name} values (2, 20)`)
    await database.query(`delete from ${name} where id = 1`)
    between.open = true
    await is('live')
    assert.deepEqual(told.map(({ status, rows }) => [status, ...rows.map(({ id }) => id)]),
      [['live', 1], ['stale', 1], ['stale', 1, 2], ['stale', 2], ['live', 2]])
    assert.equal(between.answeredCodes().filter((code) => code === 'snapshot_begin').length, 1)
  })
}

test('a place that is lost brings a snapshot, which replaces all in one step', async (t) => {
  let ends = 0
  const { name, server, between, client } = await scene(t, {
    rows: 'values (1, 10), (2, 20)',
    toClient(m) {
      if (m[4]?.code === 'snapshot_end' && ++ends === 2) return between.cut()
      return m
    },
  })
  const { live, told, is } = watch(t, client, { table: name })
  await is('live')
  const [, two] = live.rows
  between.cut({ open: false })
  await server.end()
  await database.query('select pg_drop_replication_slot($1)', [server.name])
  await database.query(`delete from ${name} where id = 1`)
  await database.query(`insert into ${name} values (3, 30)`)
  await server.start()
  between.open = true
  await until(() => live.rows.length === 2 && live.status === 'live' && live.rows[1].id === 3, () => JSON.stringify(told))
  assert.deepEqual(told.map(({ rows }) => rows.map(({ id }) => id)), [[1, 2], [1, 2], [2, 3]])
  assert.equal(live.rows[0], two)
  assert.ok(between.answered.some((m) => m[4].code === 'snapshot_begin' && m[4].reason === 'resync'))
  assert.deepEqual(between.resumes.map((resume) => Boolean(resume.from)), [false, true, false]) // it was cut in the second snapshot
})

test('no position counts before the end of the snapshot: who is cut in it begins anew', async (t) => {
  let cuts = 2
  const { name, between, client } = await scene(t, {
    rows: 'select id, id from generate_series(1, 50) as id',
    toClient(m) {
      if (m[4]?.code !== 'snapshot_end' || cuts-- <= 0) return m
      between.cut()
    },
  })
  const storage = memory()
  const { live, told, is } = watch(t, client, { table: name, storage })
  await is('live')
  assert.deepEqual(between.resumes, [{}, {}, {}])
  assert.equal(live.rows.length, 50)
  assert.deepEqual(told.map(({ status, rows }) => [status, rows.length]), [['live', 50]])
  const { position } = between.answered.find((m) => m[4]?.code === 'snapshot_end')[4]
  await until(() => between.answered.some((m) => m[3] === 'phx_reply' && m[4].response.position), 'the history that goes with it')
  between.cut()
  await until(() => between.resumes.length === 4, 'the join after it')
  const [from, at] = [between.resumes[3].from, position].map((text) => BigInt(`0x${text.split('/')[1].split(':')[0]}`))
  assert.ok(from >= at, `${from} and ${at}`)
  assert.match(between.resumes[3].history, /^\d+\./)
})

test('caughtUp waits over a lost connection, refuses what never was, and ends with the table', async (t) => {
  const { name, between, client } = await scene(t)
  const { live, is, ids } = watch(t, client, { table: name })
  await live.caughtUp() // before there is anything
  assert.equal(live.status, 'live')
  between.cut({ open: false })
  await is('stale')
  const xid = await xidOf(`insert into ${name} values (1, 1)`)
  const waits = [xid, Number(xid), BigInt(xid) + (7n << 32n), undefined].map((each) => live.caughtUp(each).then(ids))
  between.open = true
  assert.deepEqual(await Promise.all(waits), [[1], [1], [1], [1]])
  await assert.rejects(live.caughtUp(Number(xid) + 1_000_000), /caughtUp: .*xid/)
  await assert.rejects(live.caughtUp('no xid'), SyntaxError)
  const asked = () => between.said.filter((m) => m[3] === 'progress').length
  let many
  await transaction(async (connection) => { // the server takes 100 questions at once
    const { rows: [{ open }] } = await connection.query('select pg_current_xact_id()::text as open')
    const before = asked()
    many = Promise.all(Array.from({ length: 150 }, () => live.caughtUp(open)))
    await until(() => asked() >= before + 50, 'the questions')
  })
  await many
  const before = asked()
  between.toClient = (m) => (m[3] === 'progress' ? undefined : m)
  let isAnswered = false
  live.caughtUp().then(() => { isAnswered = true })
  await until(() => asked() > before, 'the question')
  between.toClient = (m) => m
  between.cut()
  await until(() => isAnswered, 'the answer after the next join')
  between.cut({ open: false })
  const last = live.caughtUp()
  live.close()
  await assert.rejects(last, /the live table is closed/)
  await assert.rejects(live.caughtUp(), /the live table is closed/)
})

for (const kind of Object.keys(rejoining)) {
  test(`${kind}: a question that reaches the server when the channel has ended there has it join again, and is asked again`, async (t) => {
    let isEnded = false
    const about = (m, topicOf) => (Array.isArray(m) ? [m[0], m[1], topicOf(m[2]), ...m.slice(3)] : { ...m, topic: topicOf(m.topic) })
    const { name, between } = await scene(t, {
      toServer: (m) => (isEnded && (m[3] ?? m.event) === 'progress' ? about(m, (topic) => `${topic}:gone`) : m),
      toClient: (m) => about(m, (topic) => topic.replace(/:gone$/, '')),
    })
    const { live, is } = watch(t, connect(t, between, { kind, options: soon(kind) }), { table: name })
    await is('live')
    isEnded = true
    const wait = live.caughtUp()
    await is('stale')
    isEnded = false
    await wait
    await is('live')
  })
}

test('a walcast that is slow to say how far it is loses no rows', async (t) => {
  const { setTimeout } = globalThis
  t.after(() => { globalThis.setTimeout = setTimeout })
  let unanswered = 0
  const tells = (f) => () => {
    f()
    unanswered++
  }
  globalThis.setTimeout = (f, after, ...rest) => (after === 5_000 ? setTimeout(tells(f), 300) : setTimeout(f, after, ...rest))
  const { name, between, client } = await scene(t, { rows: 'values (1, 10)' })
  const { live, is, ids } = watch(t, client, { table: name })
  await is('live')
  await until(() => between.answered.some((m) => m[3] === 'phx_reply' && m[4].response.position), 'the first answer')
  between.toServer = (m) => (m[3] === 'position' ? undefined : m)
  between.cut()
  await until(() => unanswered > 0, 'the end of its time')
  await live.caughtUp(await xidOf(`insert into ${name} values (2, 20)`))
  assert.deepEqual([ids(), live.status, live.error], [[1, 2], 'live', null])
})

test('a table that is closed leaves its channel and tells that once', async (t) => {
  const { name, client, between } = await scene(t, { rows: 'values (1, 1)' })
  const { live, told, is } = watch(t, client, { table: name })
  const other = watch(t, client, { table: name })
  await Promise.all([is('live'), other.is('live')])
  const end = live.subscribe(() => assert.fail('its subscription has ended'))
  end()
  live.close()
  live.close()
  assert.deepEqual(told.map(({ status }) => status), ['live', 'closed'])
  await until(() => between.said.some((m) => m[3] === 'phx_leave'), 'the leave')
  await database.query(`insert into ${name} values (2, 2)`)
  await other.live.caughtUp()
  assert.deepEqual([other.ids(), live.rows.length], [[1, 2], 1])
})

for (const [kind, asked] of [['a view', {}], ['no view', withoutView]]) {
  test(`${kind}: a reload goes on with rows and position of one moment, shown before the server has answered`, async (t) => {
    const { name, between, client } = await scene(t, { rows: 'values (1, 10)', ...asked })
    const storage = memory()
    const before = watch(t, client, { table: name, storage, order: 'id' })
    await before.is('live')
    await before.live.caughtUp(await xidOf(`insert into ${name} values (2, 20)`))
    before.live.close() // writes what is not written yet
    assert.equal(storage.items.size, 1)
    await database.query(`update ${name} set n = 11 where id = 1`)
    const after = watch(t, client, { table: name, storage, order: 'id' })
    assert.deepEqual([after.live.status, after.live.rows], ['stale', [{ id: 1, n: 10 }, { id: 2, n: 20 }]])
    await after.is('live')
    assert.deepEqual(after.live.rows, [{ id: 1, n: 11 }, { id: 2, n: 20 }])
    assert.equal(between.answeredCodes().filter((code) => code === 'snapshot_begin').length, 1)
  })
}

test('what is stored for another table, filter or server, or cannot be read, is not used', async (t) => {
  const { name, client, server } = await scene(t, { rows: 'values (1, 10)' })
  const storage = memory()
  const first = watch(t, client, { table: name, storage })
  await first.is('live')
  first.live.close()
  const elsewhere = connect(t, server)
  for (const [of, options] of [[client, { filter: 'n=eq.1' }], [client, { order: 'n' }], [client, { select: ['id'] }], [elsewhere, {}]]) {
    const { live, is } = watch(t, of, { table: name, storage, ...options })
    assert.deepEqual([live.status, live.rows], ['loading', []])
    await is('live')
    live.close()
  }
  const complaint = t.mock.method(console, 'error', () => {})
  for (const broken of ['{', '{"subject":', '[]', 'null', JSON.stringify({ ...JSON.parse([...storage.items.values()][0]), rows: 7 })]) {
    for (const key of storage.items.keys()) storage.items.set(key, broken)
    const { live, is } = watch(t, client, { table: name, storage })
    await is('live')
    assert.deepEqual(live.rows, [{ id: 1, n: 10 }])
    live.close()
  }
  assert.ok(complaint.mock.callCount() > 0)
})

const owned = {
  columns: 'id int primary key, owner uuid',
  after: ['alter table TABLE enable row level security', 'create policy mine on TABLE for select using (owner = (select auth.uid()))'],
}
const [ann, bob] = ['a', 'b'].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`)

test('another user does not see what was stored, or shown, for the one before; a new token of the same goes on', async (t) => {
  const { name, client, between } = await scene(t, { ...owned, rows: `values (1, '${ann}'), (2, '${bob}')` })
  let held = user(ann)
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const storage = memory()
  const { live, told, is, ids } = watch(t, client, { table: name, storage })
  await is('live')
  assert.deepEqual(ids(), [1])
  held = token({ role: 'authenticated', sub: ann }, { ttl: 7200 })
  await client.realtime.setAuth()
  await live.caughtUp(await xidOf(`insert into ${name} values (3, '${ann}')`))
  assert.deepEqual([ids(), between.resumes.length], [[1, 3], 1])

  held = user(bob)
  await client.realtime.setAuth()
  await until(() => live.rows.length === 1 && live.status === 'live', () => JSON.stringify(told))
  assert.deepEqual([ids(), between.resumes], [[2], [{}, {}]])
  for (const { rows } of told) assert.ok(new Set(rows.map(({ owner }) => owner)).size <= 1)
  assert.ok(told.some(({ status, rows }) => status === 'loading' && rows.length === 0))
  live.close()

  held = user(ann)
  await client.realtime.setAuth()
  const after = watch(t, client, { table: name, storage })
  assert.deepEqual(after.live.rows, [])
  await after.is('live')
  assert.deepEqual(after.ids(), [1, 3])
})

test('another user who comes while the connection is lost begins anew', async (t) => {
  const { name, client, between } = await scene(t, { ...owned, rows: `values (1, '${ann}'), (2, '${bob}')` })
  let held = user(ann)
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const { is, ids } = watch(t, client, { table: name })
  await is('live')
  between.cut({ open: false })
  await is('stale')
  held = user(bob)
  await client.realtime.setAuth()
  between.open = true
  await is('live')
  assert.deepEqual([ids(), between.resumes], [[2], [{}, {}]])
})

test('a token that expires makes it stale, and the next one live', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 1)' })
  let held = token({ sub: ann }, { ttl: 3 })
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const { live, told, is, ids } = watch(t, client, { table: name })
  await is('live')
  live.subscribe(() => {
    if (live.status !== 'stale') return
    held = token({ sub: ann })
    client.realtime.setAuth()
  })
  await until(() => told.some(({ status }) => status === 'stale'), 'the end of the token')
  await database.query(`insert into ${name} values (2, 2)`)
  await is('live')
  assert.deepEqual(ids(), [1, 2])
})

/** Has what waits for 6 s, and then for longer, wait for ms. */
function hasten(t, ms) {
  const { setTimeout } = globalThis
  let tries = 0
  t.after(() => { globalThis.setTimeout = setTimeout })
  globalThis.setTimeout = (f, after, ...rest) => setTimeout(f, after === 6_000 * 2 ** tries ? (tries++, ms) : after, ...rest)
}

const faults = {
  no_key: { columns: 'id int', options: {} },
  key_not_granted: { after: ['revoke all on TABLE from anon', 'grant select (n) on TABLE to anon'], options: {}, fix: /^GRANT SELECT \("id"\) ON / },
  unknown_column: { options: { filter: 'colour=eq.red' } },
  unknown_table: { options: { table: 'nowhere' } },
  snapshot_denied: { after: ['revoke all on TABLE from anon'], options: {}, fix: /^GRANT SELECT ON / },
}
for (const [code, { options, fix, ...more }] of Object.entries(faults)) {
  test(`what does not work is told as ${code}${fix ? ', with its cure' : ''}`, async (t) => {
    hasten(t, 300)
    const { name, client, between } = await scene(t, { ...more, rows: 'values (1)', options: { heartbeatIntervalMs: 24_000 } })
    const { live, is } = watch(t, client, { table: name, ...options })
    await is('loading', code)
    assert.ok(live.error instanceof Error)
    assert.ok(live.error.message.length > 10)
    assert.deepEqual(live.rows, [])
    if (!fix) return
    assert.match(live.error.fix, fix)
    await until(() => between.resumes.length === 3, 'it to be asked for again and again')
    await database.query(live.error.fix)
    await is('live')
  })
}

for (const [code, options] of Object.entries({
  invalid_order: { order: 'n.sideways' }, invalid_limit: { limit: 1_000_000, order: 'id' }, invalid_filter: { filter: 'n=' }, invalid_value: { filter: 'n=eq.many' },
})) {
  test(`what only other options mend is told as ${code}, and not asked for again`, async (t) => {
    const { setTimeout } = globalThis
    t.after(() => { globalThis.setTimeout = setTimeout })
    const waits = []
    globalThis.setTimeout = (f, after, ...rest) => {
      waits.push(after)
      return setTimeout(f, after, ...rest)
    }
    const { name, client } = await scene(t, { rows: 'values (1, 1)' })
    const { live, is } = watch(t, client, { table: name, ...options })
    const wait = assert.rejects(live.caughtUp(), { code })
    await is('loading', code)
    assert.ok(!waits.includes(6_000))
    await wait
    await assert.rejects(live.caughtUp(), { code })
  })
}

test('a listener that is ended by one before it is not called any more, and one that closes the table ends all', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 1)' })
  const live = liveTable(client, { table: name })
  const called = []
  live.subscribe(() => { called.push(`first ${live.status}`); end() })
  const end = live.subscribe(() => called.push('never'))
  live.subscribe(() => {
    called.push(`second ${live.status}`)
    live.close()
  })
  live.subscribe(() => called.push(`last ${live.status}`))
  await until(() => live.status === 'closed', 'the end')
  assert.deepEqual(called, ['first live', 'second live', 'first closed', 'second closed', 'last closed'])
})

test('a table that a listener closes as its user changes joins for nobody', async (t) => {
  const { name, client } = await scene(t, { ...owned, rows: `values (1, '${ann}'), (2, '${bob}')` })
  let held = user(ann)
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const { live, told, is } = watch(t, client, { table: name })
  await is('live')
  live.subscribe(live.close)
  held = user(bob)
  await client.realtime.setAuth()
  await is('closed')
  await until(() => client.getChannels().length === 0, 'the channel to have gone')
  assert.deepEqual(told.map(({ status }) => status), ['live', 'loading', 'closed'])
})

test('what breaks later makes it stale, with the cure, which makes it live', async (t) => {
  const { name, client, server } = await scene(t, { rows: 'values (1, 1)' })
  const { live, is, ids } = watch(t, client, { table: name })
  await is('live')
  await database.query(`alter publication ${server.name} drop table ${name}`)
  await is('stale', 'not_published')
  assert.deepEqual(ids(), [1])
  await database.query(`insert into ${name} values (2, 2)`)
  await database.query(live.error.fix)
  await is('live')
  assert.deepEqual(ids(), [1, 2])
})

test('what breaks while it catches up is not forgotten when that is done', async (t) => {
  const { name, between, client, server } = await scene(t, { rows: 'values (1, 1)', ...withoutView })
  const { is, told } = watch(t, client, { table: name })
  await is('live')
  let held
  between.toClient = (m) => {
    if (m[3] !== 'progress') return m
    held = m
  }
  between.cut()
  await until(() => held, 'the answer that says it has all')
  await database.query(`alter publication ${server.name} drop table ${name}`)
  await is('stale', 'not_published')
  between.toClient = (m) => m
  between.tell(held)
  await database.query(`alter publication ${server.name} add table ${name}`)
  await is('live')
  assert.equal(told.at(-1).status, 'live')
  const { length } = told.filter(({ status }) => status === 'live')
  assert.equal(length, 2, 'at first, and by the snapshot after the cure')
  assert.equal(between.answeredCodes().at(-1), 'snapshot_end')
})

test('a database that is away makes it stale, and what was committed meanwhile comes when it is back', async (t) => {
  const url = new URL(process.env.E2E_DATABASE_URL)
  const wire = await proxy(t, Number(url.port))
  url.port = wire.port
  const { name, client } = await scene(t, { rows: 'values (1, 1)', databaseURL: url.href })
  const { is, ids } = watch(t, client, { table: name })
  await is('live')
  wire.cut({ open: false })
  await is('stale', 'database_away')
  await database.query(`insert into ${name} values (2, 2)`)
  wire.open = true
  await is('live')
  assert.deepEqual(ids(), [1, 2])
})

test('a warning, under which rows come all the same, is written to the console once', async (t) => {
  const warned = t.mock.method(console, 'warn', () => {})
  const { name, between, client } = await scene(t, { rows: 'values (1, 1)', after: ['alter table TABLE enable row level security'] })
  const { live, is } = watch(t, client, { table: name, filter: 'n=lt.5' })
  await is('live')
  between.cut()
  await until(() => between.resumes.length === 2, 'another join')
  await live.caughtUp()
  assert.equal(live.error, null)
  const lines = warned.mock.calls.map(({ arguments: [text] }) => text).filter((text) => text.startsWith('liveTable'))
  assert.equal(lines.length, 1, lines.join())
  assert.match(lines[0], new RegExp(`^liveTable public.${name}: warning: .*CREATE POLICY`))
})

test('a join that is refused says why', async (t) => {
  const { name, client } = await scene(t, { flags: ['--private-only'] })
  const { live } = watch(t, client, { table: name })
  await until(() => live.error, 'the refusal')
  assert.match(live.error.message, /^PrivateOnly: /)
})

/** Makes of walcast what it is measured by: a server that does not know its keys and events, as far as a client can see. */
const upstream = {
  toServer([joinRef, ref, topic, event, payload]) {
    if (['position', 'progress'].includes(event)) return undefined
    const plain = ({ snapshot, view, resume, order, limit, int8, ...known }) => known
    const config = payload.config && { ...payload.config, postgres_changes: payload.config.postgres_changes?.map(plain) }
    return [joinRef, ref, topic, event, config ? { ...payload, config } : payload]
  },
  toClient([joinRef, ref, topic, event, payload]) {
    if (event === 'phx_reply') delete payload.response?.position
    for (const name of ['lsn', 'seq', 'xid']) delete payload.data?.[name]
    return [joinRef, ref, topic, event, payload]
  },
}

test('a server that is not walcast is named within the join, and shows no half table', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 1)', ...upstream })
  const { live, told, is } = watch(t, client, { table: name })
  const start = Date.now()
  await until(() => client.realtime.getChannels()[0]?.state === 'joined', 'the join')
  const refused = assert.rejects(live.caughtUp(), { code: 'not_supported' })
  for (let id = 2; id < 5; id++) await database.query(`insert into ${name} values (${id}, 1)`)
  await is('loading', 'not_supported')
  assert.ok(Date.now() - start < 9_000)
  assert.match(live.error.message, /does not know live tables/)
  assert.deepEqual(told, [{ status: 'loading', error: 'not_supported', rows: [] }])
  await refused
  await assert.rejects(live.caughtUp(), { code: 'not_supported' })
})

test('a walcast that does not know snapshots is named at once', async (t) => {
  const older = ({ snapshot, view, ...known }) => known
  const { name, client } = await scene(t, {
    rows: 'values (1, 1)',
    toServer: (m) => m[3] === 'phx_join' ? [...m.slice(0, 4), { ...m[4], config: { ...m[4].config, postgres_changes: m[4].config.postgres_changes.map(older) } }] : m,
  })
  const { is, ids } = watch(t, client, { table: name })
  await is('loading', 'not_supported')
  await database.query(`insert into ${name} values (2, 1)`)
  assert.deepEqual(ids(), [])
})

test('with a limit the first rows of the order are shown, whatever enters and leaves', async (t) => {
  const { name, between, client } = await scene(t, { rows: `select id, id % 40, case when id < 5 then null else id / 2 end from generate_series(1, 200) as id`,
    columns: 'id int primary key, kind int, n int' })
  const options = { table: name, filter: 'kind=lt.10', order: 'n.desc.nullslast,id', limit: 3 }
  const { live, is, told } = watch(t, client, options)
  await is('live')
  const sees = async (statement) => {
    if (statement) await live.caughtUp(await xidOf(statement))
    const { rows } = await database.query(`select * from ${name} where kind < 10 order by n desc nulls last, id limit 3`)
    await until(() => JSON.stringify(live.rows) === JSON.stringify(rows), () => `${JSON.stringify(rows)} after ${statement}, have ${JSON.stringify(live.rows)}`)
    assert.equal(live.status, 'live')
  }
  await sees()
  await sees(`insert into ${name} values (201, 1, 300), (202, 20, 400), (203, 1, 0)`)
  await sees(`update ${name} set n = 500 where id = 4`)
  await sees(`delete from ${name} where id = 4`)
  await sees(`delete from ${name} where n > 50`)
  await sees(`delete from ${name} where n > 5`)
  await sees(`delete from ${name} where n > 0`)
  const joined = () => between.resumes.length
  const before = joined()
  await sees(`insert into ${name} select 1000 + id, 1, 1 + id from generate_series(1, 100) as id`)
  await until(() => joined() === before + 2 && live.status === 'live', 'the rows to be measured anew, as there are far more')
  await sees(`insert into ${name} values (2001, 1, 1000)`)
  for (const { rows, status } of told) assert.ok(rows.length <= 3 && (status !== 'loading' || rows.length === 0))
  const joins = between.said.filter((m) => m[3] === 'phx_join').map((m) => m[4].config.postgres_changes[0])
  assert.ok(joins.length >= 4 && joins.length < 12, `${joins.length} joins`)
  assert.deepEqual(joins.slice(0, 2).map(({ limit, view, select, filter }) => ({ limit, view, select, filter })), [
    { limit: 6, view: undefined, select: ['n'], filter: 'kind=lt.10' }, { limit: undefined, view: true, select: undefined, filter: 'kind=lt.10,or=("n".gte."82")' },
  ])
  assert.equal(client.realtime.getChannels().length, 1)
})

test('with a limit too, a reload goes on, and another user has other rows', async (t) => {
  const { name, client, between } = await scene(t, { ...owned, ...withoutView,
    rows: `select id, case when id > 50 then '${ann}' else '${bob}' end::uuid from generate_series(1, 100) as id` })
  let held = user(ann)
  client.realtime.accessToken = async () => held
  await client.realtime.setAuth()
  const storage = memory()
  const options = { table: name, order: 'id.desc', limit: 2, storage }
  const before = watch(t, client, options)
  await before.is('live')
  before.live.close()
  await database.query(`insert into ${name} values (102, '${ann}')`)
  const { live, is, ids, told } = watch(t, client, options)
  assert.deepEqual(ids(), [100, 99])
  await is('live')
  assert.deepEqual(ids(), [102, 100])
  assert.equal(between.answeredCodes().filter((code) => code === 'snapshot_begin').length, 2) // to measure, and the rows
  held = user(bob)
  await client.realtime.setAuth()
  await until(() => live.status === 'live' && ids().join() === '50,49', () => JSON.stringify(told))
  between.cut({ open: false })
  await is('stale')
  held = user(ann)
  await client.realtime.setAuth()
  between.open = true
  await until(() => live.status === 'live' && ids().join() === '102,100', () => JSON.stringify(told))
  assert.equal(client.realtime.getChannels().length, 1)
})

test('rows that equal the last of a limit are held too, however many they are', async (t) => {
  const { name, client, between } = await scene(t, { rows: 'select id, 1 from generate_series(1, 200) as id' })
  const { live, is, ids } = watch(t, client, { table: name, order: 'n,id', limit: 2 })
  await is('live')
  for (let id = 1; id <= 20; id++) {
    await live.caughtUp(await xidOf(`delete from ${name} where id = ${id}`))
    assert.deepEqual(ids(), [id + 1, id + 2])
  }
  assert.equal(between.resumes.length, 2)
})

test('a limit without an order takes what comes', async (t) => {
  const { name, client } = await scene(t, { rows: 'values (1, 1), (2, 2), (3, 3)' })
  const { live, is, ids } = watch(t, client, { table: name, limit: 2 })
  await is('live')
  assert.equal(ids().length, 2)
  await live.caughtUp(await xidOf(`delete from ${name} where id = ${ids()[0]}`))
  assert.equal(ids().length, 2)
})

test('columns, and whole numbers beyond a double, come as asked for', async (t) => {
  const { name, client } = await scene(t, { columns: 'id int8 primary key, a text, b text', rows: `values (9007199254740993, 'x', 'y'), (7, 'x', 'y')` })
  const { live, is } = watch(t, client, { table: name, select: ['a'], order: 'id', int8: 'string' })
  await is('live')
  await live.caughtUp(await xidOf(`insert into ${name} values (9007199254740992, 'z', 'z'), (10, 'z', 'z')`))
  assert.deepEqual(live.rows, [{ id: '7', a: 'x' }, { id: '10', a: 'z' }, { id: '9007199254740992', a: 'z' }, { id: '9007199254740993', a: 'x' }])
})

test('a listener that throws is no matter to others', async (t) => {
  const complaint = t.mock.method(console, 'error', () => {})
  const { name, client } = await scene(t)
  const live = liveTable(client, { table: name })
  t.after(live.close)
  live.subscribe(() => { throw new Error('as the test wants') })
  const { is } = watch(t, client, { table: name })
  await is('live')
  await until(() => live.status === 'live', 'live')
  assert.equal(complaint.mock.callCount(), 1)
})

test('it says what it needs', () => {
  for (const options of [undefined, {}, { table: 7 }]) assert.throws(() => liveTable({}, options), /table is to be the name of a table/)
})

for (const kind of Object.keys(kinds)) {
  test(`${kind}: a live table`, async (t) => {
    const { name, between } = await scene(t, { rows: 'values (1, 1)' })
    const { live, is } = watch(t, connect(t, between, { kind }), { table: name })
    await is('live')
    await live.caughtUp(await xidOf(`insert into ${name} values (2, 2)`))
    assert.deepEqual(live.rows, [{ id: 1, n: 1 }, { id: 2, n: 2 }])
  })
}
