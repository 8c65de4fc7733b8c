// Where a channel is in the row changes. No clock, no I/O: resumable.js tells it what happens.

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
  #at // { from, history }: everything up to from has been delivered; history is what the server has given beside it, for itself
  #held // from where to go on while a resync is not done
  #ids = 1 // how many bindings the channel has

  /** kept is what was written; null for a channel that is new. What is no position goes on from nowhere. */
  constructor(kept) {
    const [from, history] = kept?.split(' ') ?? []
    if (kept != null) this.#stand(SHAPE.test(from) ? { from, history } : { from: ORIGIN })
  }

  /** From where the channel has to go on, { from, history } without a history if it has none; undefined if it has not been anywhere. */
  get resume() {
    const { from, history } = this.#held ?? this.#at ?? {}
    return from && (history === undefined ? { from } : { from, history })
  }

  /** The channel joins, and says from where on; undefined means live. */
  joins() {
    if (this.#held) this.#stand(this.#held) // all of it is due, whatever came meanwhile
    return this.resume
  }

  /**
   * A join was answered. A server that does not say where it starts must not be believed to start here next time. One that
   * starts earlier than it was asked to counts changes otherwise: positions that were delivered mean nothing to it.
   */
  joined(position, ids, history) {
    this.#ids = Math.max(1, new Set(ids).size)
    if (this.#at?.from === undefined) this.#stand({ from: position ?? ORIGIN, history })
    else if (position === this.#at.from) this.#at.history = history ?? this.#at.history
    else if (position !== undefined && compare(position, this.#at.from) < 0) this.#stand({ from: position, history })
  }

  /**
   * Takes a change for bindings; false if they had it before. A change comes in several frames when bindings see different
   * columns, so one at #last is whole only when every binding has it, or when something later came.
   */
  takes(position, ids) {
    const order = this.#last === undefined ? 1 : compare(position, this.#last)
    if (order < 0 || (order === 0 && (this.#seen === null || ids.every((id) => this.#seen.has(id))))) return false
    if (order > 0) {
      this.#at = { ...this.#at, from: this.#last }
      this.#last = position
      this.#seen = new Set()
    }
    for (const id of ids) this.#seen.add(id)
    if (this.#seen.size >= this.#ids) this.#at = { ...this.#at, from: position }
    return true
  }

  /** The server has said that everything up to position was sent. */
  reaches(position, history) {
    if (position === this.#at?.from) history ??= this.#at.history
    if (this.#last === undefined || compare(position, this.#last) >= 0) this.#stand({ from: position, history })
  }

  /** Changes are missing; everything after position follows. Until they are fetched, the channel joins again from where it was. */
  misses(position, history) {
    this.#held = this.resume ?? { from: ORIGIN }
    this.#stand({ from: position, history })
  }

  /** What was missing has been fetched. */
  fetched() { this.#held = undefined }

  #stand(at) {
    this.#at = { ...at }
    this.#last = at.from
    this.#seen = null
  }
}
