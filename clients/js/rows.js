// The rows of a live table, put together from what the server sends and shown only between two transactions. No clock, no I/O:
// live.js tells it what happens.
import { comparator } from './order.js'

const SORT_ABOVE = 64 // changes in a transaction; up to that each is put in its place in the sorted rows

export class Rows {
  list = [] // the first of them, as many as the limit; another array whenever it changes
  #order; #limit
  #key // names of the columns that tell rows apart; undefined before the first snapshot
  #sorts // how the terms of the order sort
  #held = new Map() // rows by the text of their key
  #sorted = [] // the same in their order
  #compare
  #coming // what the snapshot under way has
  #pending = [] // changes of the transaction under way

  /** order is the terms of one. */
  constructor(order, limit) {
    this.#order = order
    this.#limit = limit
  }

  get size() { return this.#held.size }

  /** Nothing of a transaction or of a snapshot is under way. */
  get isWhole() { return this.#pending.length === 0 && this.#coming === undefined }

  /** What has come of a transaction, or of a snapshot, that has not ended comes again. */
  forget() {
    this.#pending = []
    this.#coming = undefined
  }

  begin(key, sorts) {
    this.forget()
    this.#coming = { key, sorts, rows: new Map() }
  }

  /** Takes the data of a change, or of a row of a snapshot; false if it has a label that its enum did not have: others may stand elsewhere too. */
  take(data) {
    if (data.snapshot) this.#coming?.rows.set(textOf(this.#coming.key, data.record), data.record)
    else if (this.#key && !this.#coming) this.#pending.push(data)
    return data.snapshot || data.type === 'DELETE' || !this.#sorts?.some(({ labels }, i) => {
      const label = data.record[this.#order[i].column]
      return labels && label != null && !labels.includes(label)
    })
  }

  /** The snapshot replaces all rows. Returns what that changes, as [before, after]. */
  end() {
    const { key, sorts, rows } = this.#coming
    const touched = new Map([...this.#held.keys(), ...rows.keys()].map((text) => [text, this.#held.get(text)]))
    this.forget()
    const changes = changed(touched, rows)
    this.#stand(key, sorts, rows)
    return changes
  }

  /** The transaction has ended. Returns what it changes, as [before, after]. */
  commit() {
    const touched = new Map()
    for (const data of this.#pending) this.#apply(data, touched)
    this.#pending = []
    const changes = changed(touched, this.#held)
    if (changes.length > 0) this.#show(this.#sort(touched))
    return changes
  }

  /** What can be kept, for restore. */
  get state() { return { key: this.#key, sorts: this.#sorts, rows: this.#sorted } }

  restore({ key, sorts, rows }) { this.#stand(key, sorts, new Map(rows.map((row) => [textOf(key, row), row]))) }

  #stand(key, sorts, held) {
    this.#key = key
    this.#sorts = sorts
    this.#held = held
    this.#compare = comparator(this.#order, sorts, key)
    this.#show([...held.values()].sort(this.#compare))
  }

  #apply({ type, record, old_record: old, unchanged }, touched) {
    const gone = old && textOf(this.#key, old)
    const text = type === 'DELETE' ? undefined : textOf(this.#key, record)
    const before = this.#held.get(gone ?? text)
    if (gone !== undefined && gone !== text) this.#put(gone, undefined, touched)
    if (text === undefined) return
    this.#put(text, unchanged && before ? { ...before, ...record } : record, touched)
  }

  #put(text, row, touched) {
    if (!touched.has(text)) touched.set(text, this.#held.get(text))
    if (row === undefined) this.#held.delete(text)
    else this.#held.set(text, row)
  }

  #sort(touched) {
    if (this.#order.length === 0 || touched.size > SORT_ABOVE) return [...this.#held.values()].sort(this.#compare)
    const gone = new Set(touched.values())
    const sorted = this.#sorted.filter((row) => !gone.has(row))
    for (const text of touched.keys()) {
      const row = this.#held.get(text)
      if (row) sorted.splice(this.#place(sorted, row), 0, row)
    }
    return sorted
  }

  /** The index of the first row that is not before row. */
  #place(sorted, row) {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(sorted[middle], row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #show(sorted) {
    this.#sorted = sorted
    const list = this.#limit === undefined ? sorted : sorted.slice(0, this.#limit)
    if (list.length !== this.list.length || list.some((row, i) => row !== this.list[i])) this.list = list
  }
}

/** The key of a row as a text; undefined if the row does not have all of it. */
function textOf(key, row) {
  const values = key.map((column) => row[column])
  return values.includes(undefined) ? undefined : JSON.stringify(values)
}

/** What of the touched rows is now other than before, as [before, after]; the others leave touched, and are held as the objects that they were. */
function changed(touched, held) {
  for (const [text, before] of touched) {
    if (!same(before, held.get(text))) continue
    if (before !== undefined) held.set(text, before)
    touched.delete(text)
  }
  return [...touched].map(([text, before]) => [before, held.get(text)])
}

/** Whether two rows are equal: the server writes a row always in the same way. */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)
