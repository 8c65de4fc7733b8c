import { keeperIn } from './keeper.js'
import { Place, written } from './place.js'
import { wireOf } from './wire.js'

const RESYNC = 'resync_required: '

const complain = ({ reason }) => console.error(`resumable: row changes were missed, and there is no onResync to fetch them: ${reason}`)

/** See index.d.ts. */
export function resumable(channel, { onResync = complain, storage, key = `walcast:${channel.topic}` } = {}) {
  if (typeof onResync !== 'function') throw new TypeError('resumable: onResync is to be a function')
  if (channel.joinedOnce) throw new Error('resumable: to be called before subscribe')
  new Resumption(channel, keeperIn(storage, key), onResync)
  return channel
}

/** Brings what happens on the wire to the place, and what the place says to the wire. */
class Resumption {
  #wire
  #keeper
  #place
  #onResync
  #resyncs = 0

  constructor(channel, keeper, onResync) {
    this.#keeper = keeper
    this.#place = new Place(keeper.read())
    this.#onResync = onResync
    this.#wire = wireOf(channel, {
      resume: () => this.#resume(),
      joined: (response) => this.#joined(response),
      event: (event, payload, pass) => this.#event(event, payload, pass),
      reached: (response) => this.#reached(response),
      due: () => this.#wire.askPosition(),
    })
  }

  /** From where the bindings go on. Without a position they ask for the history alone. */
  #resume() {
    this.#keeper.open()
    return this.#place.joins() ?? {}
  }

  #joined({ position, history, postgres_changes: bindings }) {
    if (!bindings?.length) return
    this.#place.joined(position, bindings.map((b) => b.id), history)
    this.#keep()
    this.#wire.askLater()
  }

  #reached({ position, history }) {
    if (position !== undefined) this.#place.reaches(position, history)
    this.#keep()
  }

  #event(event, payload, pass) {
    if (event === 'postgres_changes') return this.#change(payload, pass)
    pass()
    if (event === 'system' && payload?.message?.startsWith(RESYNC)) this.#resync(payload)
    if (this.#wire.state === 'closed') this.#keeper.close()
  }

  /** The position moves on when the handlers have had the change, also if one of them throws. */
  #change({ ids, data }, pass) {
    if (data?.lsn === undefined) return pass() // not from walcast
    if (!this.#place.takes(`${data.lsn}:${data.seq}`, ids)) return
    try {
      pass()
    } finally {
      this.#keep()
    }
  }

  /** Until onResync has come to a good end the channel names its old position, and is told again when it joins. */
  async #resync({ message, code, from, oldest, position, history }) {
    const turn = ++this.#resyncs
    this.#place.misses(position, history)
    try {
      await this.#onResync({ reason: message.slice(RESYNC.length), code, from, oldest, position })
    } catch (error) {
      return console.error('resumable: onResync failed, it is called again with the next join', error)
    }
    if (turn !== this.#resyncs) return // told again meanwhile
    this.#place.fetched()
    this.#keep()
  }

  #keep() {
    const at = this.#place.resume
    if (at !== undefined) this.#keeper.keep(() => written(at))
  }
}
