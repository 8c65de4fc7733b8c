import { keeperIn } from './keeper.js'
import { Place, written } from './place.js'
import { wireOf } from './wire.js'

/** In ms: how often a quiet channel asks how far it is, so that its position does not grow old. Heartbeats are as frequent. */
const ASK_EVERY = 25_000

const RESYNC = 'resync_required: '

const complain = ({ reason }) => console.error(`resumable: row changes were missed, and there is no onResync to fetch them: ${reason}`)

/** See index.d.ts. */
export function resumable(channel, { onResync = complain, storage, key = `walcast:${channel.topic}` } = {}) {
  if (typeof onResync !== 'function') throw new TypeError('resumable: onResync is to be a function')
  if (channel.joinedOnce) throw new Error('resumable: to be called before subscribe')
  new Resumption(wireOf(channel), keeperIn(storage, key), onResync).start()
  return channel
}

/** Brings what happens on the wire to the place, and what the place says to the wire. */
class Resumption {
  #wire
  #keeper
  #place
  #onResync
  #resyncs = 0
  #timer

  constructor(wire, keeper, onResync) {
    this.#wire = wire
    this.#keeper = keeper
    this.#place = new Place(keeper.read())
    this.#onResync = onResync
  }

  start() {
    this.#wire.beforeJoin((payload) => this.#join(payload))
    this.#wire.onJoined((response) => this.#joined(response))
    this.#wire.intercept((event, payload, pass) => this.#event(event, payload, pass))
  }

  /** The payload of a join, with the position that each binding goes on from. Without one it asks for the history alone. */
  #join(payload) {
    this.#keeper.open()
    const resume = this.#place.joins() ?? {}
    const bindings = payload.config?.postgres_changes
    if (!bindings?.length) return payload
    return { ...payload, config: { ...payload.config, postgres_changes: bindings.map((b) => ({ ...b, resume })) } }
  }

  #joined({ position, history, postgres_changes: bindings }) {
    if (!bindings?.length) return
    this.#place.joined(position, bindings.map((b) => b.id), history)
    this.#keep()
    this.#askLater()
  }

  #event(event, payload, pass) {
    if (event === 'postgres_changes') return this.#change(payload, pass)
    pass()
    if (event === 'system' && payload?.message?.startsWith(RESYNC)) this.#resync(payload)
    if (this.#wire.state === 'closed') this.#end()
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

  #askLater() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), ASK_EVERY)
    this.#timer.unref?.() // a program may end meanwhile
  }

  /** Asks up to where all was sent. A server that does not know the event does not answer. */
  #ask() {
    if (this.#wire.state !== 'joined') return // the next join asks again
    this.#askLater()
    this.#wire.ask('position', {}, 10_000).receive('ok', ({ position, history }) => {
      if (position !== undefined) this.#place.reaches(position, history)
      this.#keep()
    })
  }

  #keep() {
    const at = this.#place.resume
    if (at !== undefined) this.#keeper.keep(() => written(at))
  }

  #end() {
    clearTimeout(this.#timer)
    this.#keeper.close()
  }
}
