import { liveTable } from './live.js'
import { same } from './rows.js'
import { filterOf, orderOf, sortable } from './where.js'

/** See tanstack.d.ts. */
export function walcastCollectionOptions({ supabase, table, schema, filter, int8, storage, onInsert, onUpdate, onDelete, ...options }) {
  let synced
  const open = (plan) => liveTable(supabase, {
    table, schema, int8, storage, sortable: sortable(int8), ...plan, filter: [filter, plan.filter].filter(Boolean).join() || undefined,
  })
  const sync = (collection) => {
    synced = syncedBy(collection, options.getKey, open)
    if (options.syncMode === 'on-demand') collection.markReady()
    else synced.loadSubset({}).catch(collection.markError)
    return synced
  }
  const caughtUp = async (xid) => { await synced?.caughtUp(xid) }
  /** A mutation is done when what it wrote has come back: its optimistic rows go as the real ones come. */
  const settled = (mutate) => mutate && (async (params) => {
    const result = await mutate(params)
    if (result?.xid !== undefined) await Promise.all([result.xid].flat().map(caughtUp))
    return result
  })
  const handlers = { onInsert: settled(onInsert), onUpdate: settled(onUpdate), onDelete: settled(onDelete) }
  return { ...options, ...handlers, sync: { sync, rowUpdateMode: 'full' }, utils: { caughtUp } }
}

/** What has the rows of a collection loaded, from live tables that may have rows in common. */
function syncedBy({ begin, write, commit, markReady }, getKey, open) {
  const subsets = new Map() // { name, table, loaded } of each request of the collection; equal ones share one
  const rows = new Map() // { row, users } by key: users are the subsets that have it

  const leave = (key, subset) => {
    const { users } = rows.get(key)
    users.delete(subset)
    if (users.size > 0) return
    rows.delete(key)
    write({ type: 'delete', key })
  }

  const enter = (key, row, subset) => {
    const has = rows.get(key)
    rows.set(key, { row, users: (has?.users ?? new Set()).add(subset) })
    if (!has) write({ type: 'insert', value: row })
    else if (!same(has.row, row)) write({ type: 'update', value: row })
  }

  /** Writes what changes of a subset, as [before, after], in one transaction. Returns the collection's promise that it shows. */
  const put = (subset, changes) => {
    begin()
    for (const [before, after] of changes) if (before && (!after || getKey(before) !== getKey(after))) leave(getKey(before), subset)
    for (const [, after] of changes) if (after) enter(getKey(after), after, subset)
    const shown = commit()
    markReady()
    return shown
  }

  /** A live table whose rows show. What keeps it from being loaded may pass: then they show all the same. */
  const start = (name, plan) => {
    const table = open(plan)
    const subset = { name, table }
    if (table.held.length > 0) put(subset, table.held.map((row) => [undefined, row])) // from the storage
    subset.loaded = new Promise((resolve, reject) => {
      table.subscribe((changes) => {
        try {
          const shown = (changes.length > 0 || table.status === 'live') && put(subset, changes)
          if (table.status === 'live') resolve(shown)
          else if (table.status === 'closed') reject(table.error ?? new Error('the rows are not wanted any more'))
          else if (table.error && table.error.code !== 'database_away') reject(table.error)
        } catch (error) {
          reject(error)
          throw error
        }
      })
    })
    subset.loaded.catch(() => {}) // who has asked for it is told
    return subset
  }

  return {
    /** Resolves when the rows that match are in the collection. */
    loadSubset(request) {
      const plan = planOf(request)
      const name = JSON.stringify(plan)
      if (!subsets.has(request)) subsets.set(request, [...subsets.values()].find((subset) => subset.name === name) ?? start(name, plan))
      return subsets.get(request).loaded
    },

    unloadSubset(request) {
      const subset = subsets.get(request)
      if (!subsets.delete(request) || [...subsets.values()].includes(subset)) return
      subset.table.close()
      put(subset, subset.table.held.map((row) => [row, undefined]))
    },

    /** A table that could not be loaded has no rows to wait for. */
    async caughtUp(xid) {
      await Promise.all([...new Set(subsets.values())].map(async ({ table, loaded }) => {
        await loaded.catch(() => {})
        if (table.error && table.status === 'loading') return
        await table.caughtUp(xid).catch((error) => { if (table.status !== 'closed') throw error })
      }))
    },

    cleanup() { for (const { table } of subsets.values()) table.close() },
  }
}

/** What a live table is to have for a request: a filter, and where only the first rows are wanted and that can be said, order and limit. */
function planOf({ where, orderBy, limit, offset = 0 }) {
  const filter = filterOf(where)
  const order = filter !== undefined && limit !== undefined && orderBy ? orderOf(orderBy) : undefined
  return order ? { filter, order, limit: offset + limit } : { filter }
}
