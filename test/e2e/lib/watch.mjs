// A live table of the client module in a scene of its own, and what it tells.
import { liveTable } from '../../../clients/js/index.js'
import { connect, soon } from './clients.mjs'
import { database, table } from './database.mjs'
import { relay } from './relay.mjs'
import { serve } from './server.mjs'
import { until, within } from './until.mjs'

/** A live table that notes what it tells: status, error and rows of each notification. Its caughtUp fails where it would wait for ever. */
export function watch(t, client, options) {
  const live = liveTable(client, options)
  t.after(live.close)
  const watched = { live, told: [] }
  const { caughtUp } = live
  live.caughtUp = (xid) => within(caughtUp(xid), () => `caughtUp(${xid ?? ''}), have ${live.status} and ${live.error}`)
  live.subscribe(() => watched.told.push({ status: live.status, error: live.error?.code ?? null, rows: live.rows }))
  watched.is = (status, error = null) =>
    until(() => live.status === status && (live.error?.code ?? null) === error, () => `${status} and ${error}, have ${live.status} and ${live.error}`)
  watched.ids = () => live.rows.map(({ id }) => id)
  return watched
}

/** A server that publishes a table with rows, a relay before it and a client behind that. */
export async function scene(t, { columns = 'id int primary key, n int', after = [], rows = '', flags, databaseURL, key, options, ...hooks } = {}) {
  const name = await table(t, columns, ...after)
  if (rows) await database.query(`insert into ${name} ${rows}`)
  const server = await serve(t, { tables: [name], flags, databaseURL })
  const between = await relay(t, server, hooks)
  return { name, server, between, client: connect(t, between, { key, options: { ...soon(), ...options } }) }
}

/** Has joins ask for snapshots without a view: with these a server goes on from a position whatever it knows of who had it. */
export const withoutView = {
  toServer([joinRef, ref, topic, event, payload]) {
    const plain = ({ view, ...binding }) => binding
    if (event === 'phx_join') payload = { ...payload, config: { ...payload.config, postgres_changes: payload.config.postgres_changes.map(plain) } }
    return [joinRef, ref, topic, event, payload]
  },
}

/** A storage in memory. */
export const memory = () => ({
  items: new Map(),
  getItem(key) { return this.items.get(key) ?? null },
  setItem(key, value) { this.items.set(key, value) },
})

/** Runs a statement, and returns the id of its transaction. */
export const xidOf = async (statement) => (await database.query(`with done as (${statement}) select pg_current_xact_id()::text as xid`)).rows[0].xid
