// Where a channel is in the row changes. No clock, no I/O: index.js tells it what happens.

/** Before everything: a server that is asked to go on from here answers that it cannot, instead of starting live. */
const ORIGIN = '0/0:0'

const SHAPE = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}:\d+$/i

/** Negative when position a is before b, 0 when they are equal. A position is the text LSN:index, such as 16/B374D848:3. */
export function compare(a, b) {
  const [x, y] = [a, b].map((p) => p.split(/[/:]/).map((part, i) => parseInt(part, i < 2 ? 16 : 10)))
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
}

/** A position and its history as one text, which is how they are kept. */
export const written = ({ from, history }) => (history === undefined ? from : `${from} ${history}`)

export class Place {
  #last // the newest position that was delivered
  #seen = null // ids of the bindings that were given the change at #last; null for all
  #whole // everything up to here has been delivered
  #history // what the server has given beside #whole, for itself: whose position it is, and how it was counted
  #held // from where to go on while a resync is not done: from, and history if there is one
  #ids = 1 // how many bindings the channel has

  /** kept is what was written; null for a channel that is new. What is no position goes on from nowhere. */
  constructor(kept) {
    if (kept == null) return
    const [from, history] = kept.split(' ')
    if (SHAPE.test(from)) this.#stand(from, history)
    else this.#stand(ORIGIN)
  }

  /** From where the channel has to go on, { from, history } without a history if it has none; undefined if it has not been anywhere. */
  get resume() {
    if (this.#held !== undefined) return this.#held
    if (this.#whole === undefined) return undefined
    return this.#history === undefined ? { from: this.#whole } : { from: this.#whole, history: this.#history }
  }

  /** The channel joins, and says from where on; undefined means live. */
  joins() {
    if (this.#held !== undefined) this.#stand(this.#held.from, this.#held.history) // all of it is due, whatever came meanwhile
    return this.resume
  }

  /**
   * A join was answered. A server that does not say where it starts must not be believed to start here next time. One that
   * starts earlier than it was asked to counts changes otherwise: positions that were delivered mean nothing to it.
   */
  joined(position, ids, history) {
    this.#ids = Math.max(1, new Set(ids).size)
    if (this.#whole === undefined) this.#stand(position ?? ORIGIN, history)
    else if (position === this.#whole) this.#history = history ?? this.#history
    else if (position !== undefined && compare(position, this.#whole) < 0) this.#stand(position, history)
  }

  /**
   * Takes a change for bindings; false if they had it before. A change comes in several frames when bindings see different
   * columns, so one at #last is whole only when every binding has it, or when something later came.
   */
  takes(position, ids) {
    const order = this.#last === undefined ? 1 : compare(position, this.#last)
    if (order < 0 || (order === 0 && (this.#seen === null || ids.every((id) => this.#seen.has(id))))) return false
    if (order > 0) {
      this.#whole = this.#last
      this.#last = position
      this.#seen = new Set()
    }
    for (const id of ids) this.#seen.add(id)
    if (this.#seen.size >= this.#ids) this.#whole = position
    return true
  }

  /** The server has said that everything up to position was sent. */
  reaches(position, history) {
    if (position === this.#whole) history ??= this.#history
    if (this.#last === undefined || compare(position, this.#last) >= 0) this.#stand(position, history)
  }

  /** Changes are missing; everything after position follows. Until they are fetched, the channel joins again from where it was. */
  misses(position, history) {
    this.#held = this.resume ?? { from: ORIGIN }
    this.#stand(position, history)
  }

  /** What was missing has been fetched. */
  fetched() { this.#held = undefined }

  #stand(position, history) {
    this.#whole = this.#last = position
    this.#history = history
    this.#seen = null
  }
}
