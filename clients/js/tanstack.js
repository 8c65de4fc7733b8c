import { liveTable } from './live.js'
import { same } from './rows.js'
import { filterOf, orderOf, sortable } from './where.js'

/** See tanstack.d.ts. */
export function walcastCollectionOptions({ supabase, table, schema, filter, int8, onInsert, onUpdate, onDelete, ...options }) {
  let synced
  const open = (plan) => liveTable(supabase, {
    table, schema, int8, sortable: sortable(int8), ...plan, filter: [filter, plan.filter].filter(Boolean).join() || undefined,
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
  const subsets = new Map() // by what they have
  const held = new Map() // the subset of each request of the collection
  const rows = new Map() // { row, count } by key: how many subsets have it

  const enter = (key, row, isNew) => {
    const has = rows.get(key)
    rows.set(key, { row, count: (has?.count ?? 0) + isNew })
    if (!has) write({ type: 'insert', value: row })
    else if (!same(has.row, row)) write({ type: 'update', value: row })
  }

  const leave = (key) => {
    if (--rows.get(key).count > 0) return
    rows.delete(key)
    write({ type: 'delete', key })
  }

  /** Writes what changes, as [before, after], in one transaction. Returns the collection's promise that it shows. */
  const put = (changes) => {
    begin()
    for (const [before, after] of changes) {
      const [from, to] = [before, after].map((row) => row && getKey(row))
      if (before && from !== to) leave(from)
      if (after) enter(to, after, from !== to)
    }
    const shown = commit()
    markReady()
    return shown
  }

  return {
    /** Resolves when the rows that match are in the collection. */
    loadSubset(request) {
      if (!held.has(request)) {
        const plan = planOf(request)
        const name = JSON.stringify(plan)
        if (!subsets.has(name)) subsets.set(name, new Subset(open(plan), put))
        const subset = subsets.get(name)
        subset.users++
        held.set(request, { name, subset })
      }
      return held.get(request).subset.loaded
    },

    unloadSubset(request) {
      const { name, subset } = held.get(request) ?? {}
      if (!held.delete(request) || --subset.users > 0) return
      subsets.delete(name)
      subset.close()
      put(subset.without())
    },

    async caughtUp(xid) { await Promise.all([...subsets.values()].map((subset) => subset.caughtUp(xid))) },

    cleanup() { for (const subset of subsets.values()) subset.close() },
  }
}

/** The rows of one live table. What keeps them from being loaded may pass: then they show all the same. */
class Subset {
  users = 0
  #rows = new Set() // that it has put
  #table
  #isOpen = true

  constructor(table, put) {
    let shown
    this.#table = table
    table.subscribe((changes) => {
      if (!this.#isOpen || (changes.length === 0 && table.status !== 'live')) return
      const all = changes === true ? this.without() : changes
      for (const [before, after] of all) {
        this.#rows.delete(before)
        if (after) this.#rows.add(after)
      }
      shown = put(all)
    })
    this.loaded = live(table).then(() => shown)
    this.loaded.catch(() => {}) // who has asked for it is told
  }

  /** The changes by which its rows go. */
  without() { return [...this.#rows].map((row) => [row, undefined]) }

  async caughtUp(xid) {
    await this.#table.caughtUp(xid).catch((error) => { if (this.#isOpen) throw error })
  }

  close() {
    this.#isOpen = false
    this.#table.close()
  }
}

/** Resolves when a table is live for the first time; rejects with what keeps it from that. */
const live = (table) => new Promise((resolve, reject) => {
  const look = () => {
    if (table.status === 'live') resolve(end())
    else if (table.status === 'closed') reject(table.error ?? new Error('the rows are not wanted any more'))
    else if (table.error && table.error.code !== 'database_away') reject(table.error)
  }
  const end = table.subscribe(look)
  look()
})

/** What a live table is to have for a request: a filter, and where only the first rows are wanted and that can be said, order and limit. */
function planOf({ where, orderBy, limit, offset = 0 }) {
  const filter = filterOf(where)
  const order = filter !== undefined && limit !== undefined && orderBy ? orderOf(orderBy) : undefined
  return order ? { filter, order, limit: offset + limit } : { filter }
}
