import { liveTable } from './live.js'
import { parseOrder } from './order.js'
import { same } from './rows.js'
import { filterOf, orderOf, TIME } from './where.js'

/** See tanstack.d.ts. */
export function walcastCollectionOptions({ supabase, table, schema, filter, int8, onInsert, onUpdate, onDelete, ...options }) {
  let synced
  const caughtUp = async (xid) => { await synced?.caughtUp(xid) }
  /** A mutation is done when what it wrote has come back: its optimistic rows go as the real ones come. */
  const settled = (mutate) => mutate && (async (params) => {
    const result = await mutate(params)
    if (result?.xid !== undefined) await Promise.all([result.xid].flat().map(caughtUp))
    return result
  })
  const open = (more) => liveTable(supabase, { table, schema, int8, ...more, filter: [filter, more.filter].filter(Boolean).join() || undefined })
  const sync = (collection) => {
    const mine = synced = new Synced(collection, options.getKey, open)
    if (options.syncMode !== 'on-demand') mine.load({}).catch(collection.markError)
    else collection.markReady()
    return {
      cleanup: () => mine.close(),
      loadSubset: (request) => mine.load(request),
      unloadSubset: (request) => mine.unload(request),
    }
  }
  return {
    ...options,
    sync: { sync, rowUpdateMode: 'full' },
    onInsert: settled(onInsert),
    onUpdate: settled(onUpdate),
    onDelete: settled(onDelete),
    utils: { caughtUp },
  }
}

/** The rows of a collection, from live tables that may have rows in common. */
class Synced {
  #collection
  #getKey
  #open
  #subsets = new Map() // by what they have
  #held = new Map() // the subset of each request of the collection
  #rows = new Map() // { row, count } by key: how many subsets have it

  constructor(collection, getKey, open) {
    this.#collection = collection
    this.#getKey = getKey
    this.#open = open
  }

  /** Resolves when the rows that match are in the collection. */
  load(request) {
    if (!this.#held.has(request)) {
      const plan = planOf(request)
      const name = JSON.stringify(plan)
      if (!this.#subsets.has(name)) this.#subsets.set(name, new Subset(name, plan, this.#open, (changes) => this.#write(changes)))
      this.#held.set(request, this.#subsets.get(name))
      this.#held.get(request).users++
    }
    return this.#held.get(request).loaded
  }

  unload(request) {
    const subset = this.#held.get(request)
    if (!this.#held.delete(request) || --subset.users > 0) return
    this.#subsets.delete(subset.name)
    subset.close()
    this.#write(subset.rows.map((row) => [row, undefined]))
  }

  async caughtUp(xid) { await Promise.all([...this.#subsets.values()].map((subset) => subset.caughtUp(xid))) }

  close() { for (const subset of this.#subsets.values()) subset.close() }

  /** Writes what changes, as [before, after], in one transaction. Returns the collection's promise that it shows. */
  #write(changes) {
    const { begin, write, commit, markReady } = this.#collection
    begin()
    for (const [before, after] of changes) {
      const [from, to] = [before, after].map((row) => row && this.#getKey(row))
      if (before && from !== to) this.#leave(from, write)
      if (after) this.#enter(to, after, from !== to, write)
    }
    const shown = commit()
    markReady()
    return shown
  }

  #enter(key, row, isNew, write) {
    const held = this.#rows.get(key)
    if (!held) {
      this.#rows.set(key, { row, count: 1 })
      return write({ type: 'insert', value: row })
    }
    if (isNew) held.count++
    if (same(held.row, row)) return
    held.row = row
    write({ type: 'update', value: row })
  }

  #leave(key, write) {
    const held = this.#rows.get(key)
    if (!held || --held.count > 0) return
    this.#rows.delete(key)
    write({ type: 'delete', key })
  }
}

/** The rows of one plan, of a live table. What keeps them from being loaded may pass: then they show all the same. */
class Subset {
  users = 0
  #rows = new Set() // that it has written
  #table

  constructor(name, plan, open, write) {
    this.name = name
    this.loaded = this.#load(plan, open, write)
    this.loaded.catch(() => {}) // who has asked for it is told
  }

  async caughtUp(xid) {
    const table = this.#table
    await table?.caughtUp(xid).catch((error) => {
      if (this.#table === table) throw error
      return this.caughtUp(xid) // another has taken its place, or none
    })
  }

  get rows() { return [...this.#rows] }

  close() {
    const table = this.#table
    this.#table = undefined
    table?.close()
  }

  async #load(plan, open, write, stale = []) {
    const table = this.#table = open(plan)
    let shown
    table.subscribe((changes) => {
      if (this.#table !== table || (changes.length === 0 && table.status !== 'live')) return
      shown = write(this.#taken(changes === true ? this.rows.map((row) => [row, undefined]) : [...stale.splice(0), ...changes]))
    })
    await live(table)
    if (this.#table === table && plan.order && this.#isText(plan.order)) {
      table.close()
      await this.#load({ filter: plan.filter }, open, write, this.rows.map((row) => [row, undefined]))
    }
    await shown
  }

  /** Text may be sorted by the database otherwise than here, so that the first rows may be others. */
  #isText(order) {
    const columns = parseOrder(order).map(({ column }) => column)
    return this.rows.some((row) => columns.some((column) => typeof row[column] === 'string' && !TIME.test(row[column])))
  }

  #taken(changes) {
    for (const [before, after] of changes) {
      this.#rows.delete(before)
      if (after) this.#rows.add(after)
    }
    return changes
  }
}

/** Resolves when a table is live for the first time; rejects with what keeps it from that. */
const live = (table) => new Promise((resolve, reject) => {
  const look = () => {
    if (table.status === 'live') resolve(end())
    else if (table.status === 'closed') reject(table.error ?? new Error('the collection was closed'))
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
