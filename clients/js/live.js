import { keeperIn } from './keeper.js'
import { horizonOf, parseOrder } from './order.js'
import { Place, written } from './place.js'
import { Questions } from './questions.js'
import { Rows } from './rows.js'
import { subjectOf, wireOf } from './wire.js'

/** In ms: clients that ask for equal snapshots within 100 ms share one, which would not have what has just changed. */
const MEASURE_AFTER = 150

/** With a limit: how many rows more than it are asked for, at most, and at how many times as many rows it is measured anew. */
const [SPARE, TOO_MANY] = [50, 4]

const UNKNOWN = { code: 'not_supported', message: 'The server does not know live tables: it is not walcast, or an older one' }

/** See live.d.ts. */
export function liveTable(supabase, options) {
  if (typeof options?.table !== 'string') throw new TypeError('liveTable: table is to be the name of a table')
  return new LiveTable(supabase, options)
}

const failure = ({ message, reason = message, code, fix, cost }) => Object.assign(new Error(reason), { code, fix, cost })

/** Brings what happens on the wire to the rows, and tells those who listen. */
class LiveTable {
  #supabase; #options; #order; #keeper; #rows; #wire
  state = { rows: [], status: 'loading', error: null } // another object after each change
  #listeners = new Set()
  #channel // the one that counts; another takes its place when the rows are to come anew
  #subject // who the rows are for, as a text
  #place // that the rows have come to; nowhere before the end of a snapshot
  #horizon // the filter of the rows that a limit needs; '' is no filter, undefined is still to be measured
  #measured // the rows by which it is measured, while they come
  #began = 0 // how many rows there were at the end of the snapshot
  #tries = 0 // how often in a row that was measured, which is then done more and more seldom
  #isKnown // whether the server knows live tables; undefined until it has said something
  #turn = 0 // of what has happened to the channel: what was asked before the last of it is old
  #measuring // a timer
  #warned = new Set()
  #questions = new Questions((payload) => !this.#measured && this.#wire.state === 'joined' && this.#wire.ask('progress', payload, 10_000))

  constructor(supabase, { schema = 'public', ...options }) {
    this.#supabase = supabase
    this.#options = { schema, ...options }
    this.#order = parseOrder(options.order)
    const { storage, ...asked } = this.#options
    this.#keeper = keeperIn(storage, `walcast:live:${JSON.stringify([supabase.supabaseUrl, asked])}`)
    this.#join()
  }

  get rows() { return this.state.rows }
  get status() { return this.state.status }
  get error() { return this.state.error }
  get #at() { return this.#place.resume }

  subscribe = (listener) => {
    const own = (changes) => listener(changes) // the same function may be given twice
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  caughtUp = async (xid) => {
    if (this.status === 'closed') throw new Error('caughtUp: the live table is closed')
    if (this.#isKnown === false) throw failure(UNKNOWN)
    await this.#questions.wait(xid)
  }

  close = () => {
    const channel = this.#channel
    this.#end()
    if (channel) this.#supabase.removeChannel(channel)
  }

  /** What the channel asks for: the rows or, to measure how far a limit goes, the column by which they are sorted first. */
  #binding() {
    const { schema, table, filter, select, order, int8 } = this.#options
    const binding = { event: '*', schema, table, filter, order, snapshot: true }
    if (this.#measured) return { ...binding, select: [this.#order[0].column], int8: 'string', limit: this.#page }
    const columns = select && [...new Set([...select, ...this.#order.map(({ column }) => column)])]
    return { ...binding, select: columns, int8, view: true, filter: [filter, this.#horizon].filter(Boolean).join() || undefined }
  }

  /** Joins with a new channel. It has a name that no other has, so that a server takes it for no earlier one of its client_id. */
  #join() {
    const { schema, table } = this.#options
    const before = this.#channel
    const { supabaseKey, realtime = this.#supabase } = this.#supabase
    if (this.#subject === undefined) this.#isFor(subjectOf(realtime.accessTokenValue ?? supabaseKey))
    const name = `live:${schema}.${table}:${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`
    this.#measured = this.#horizon === undefined ? new Rows({}) : undefined
    const channel = this.#supabase.channel(name).on('postgres_changes', this.#binding(), () => {})
    this.#wire?.close()
    this.#channel = channel
    this.#wire = wireOf(channel, {
      resume: (payload) => this.#resume(payload),
      joined: (response) => this.#joined(response),
      refused: (response) => this.#stale(failure(response)),
      token: (token) => this.#joinFor(subjectOf(token)),
      event: (event, payload, pass) => this.#event(event, payload, pass),
      reached: (response) => this.#reached(response),
      unanswered: () => { if (this.#isKnown === undefined) this.#refuse() },
      due: () => (this.error ? this.#join() : this.#wire.askPosition()), // a binding that is refused may work by then
    })
    channel.subscribe()
    if (before) this.#supabase.removeChannel(before)
  }

  /** From where a join goes on: what the rows have come to. Rows of another user do not count, and are not shown. */
  #resume({ access_token: token = this.#supabase.supabaseKey }) {
    const subject = subjectOf(token)
    if (this.#isLimited) this.#joinFor(subject) // which is measured anew
    else if (subject !== this.#subject) this.#isFor(subject)
    this.#rows.forget()
    return this.#at ?? {}
  }

  /** Joins anew if the rows are for another user, after what is under way. */
  #joinFor(subject) {
    queueMicrotask(() => {
      if (!this.#channel || subject === this.#subject) return
      this.#isFor(subject)
      this.#join()
    })
  }

  #isFor(subject) {
    const before = this.#rows?.state.rows ?? []
    this.#subject = subject
    this.#rows = new Rows(this.#options)
    this.#place = new Place(null)
    this.#horizon = this.#isLimited ? undefined : ''
    this.#restore()
    const changes = [...before.map((row) => [row, undefined]), ...this.#rows.state.rows.map((row) => [undefined, row])]
    this.#publish({ status: this.#at ? 'stale' : 'loading', changes })
  }

  get #isLimited() { return this.#options.limit !== undefined && this.#order.length > 0 }

  #joined({ position, history }) {
    this.#turn++
    this.#isKnown = undefined
    this.#questions.joined()
    if (position !== undefined && !this.#at) return this.#refuse() // it was asked for a snapshot, before which no position counts
    if (position !== undefined) {
      this.#place.joined(position, [], history)
      this.#catchUp()
    }
    this.#wire.askPosition()
  }

  #refuse() {
    this.#isKnown = false
    this.#rows.forget()
    this.#stale(failure(UNKNOWN))
    this.#questions.fail(this.error)
  }

  #event(event, payload, pass) {
    if (event !== 'postgres_changes') pass() // nobody else listens
    if (event === 'system') this.#system(payload)
    else if (event === 'postgres_changes' && this.#isKnown !== false) (this.#measured ?? this.#rows).take(payload.data)
    else if (event === 'postgres_commit' && this.#at) this.#committed(payload)
    else if (event === 'progress') this.#questions.answered(payload.request)
    else if (event === 'phx_error') this.#stale()
    else if (event === 'phx_close' && this.#wire.state === 'closed') this.#end()
  }

  #system({ status, code, message, key, position, ...more }) {
    if (code === 'snapshot_begin') {
      this.#isKnown = true
      this.#place = new Place(null) // who is cut before the end begins anew
      ;(this.#measured ?? this.#rows).begin(key)
    } else if (code === 'snapshot_end' && this.#measured) {
      this.#measured.end()
      this.#horizon = this.#measured.size < this.#page ? '' : horizonOf(this.#order[0], this.#measured.state, this.#options.sortable)
      this.#join()
    } else if (code === 'snapshot_end') {
      this.#place = new Place(position)
      this.#publish({ status: 'live', error: null, changes: this.#rows.end() })
      this.#began = this.#rows.size
      this.#wire.askPosition() // for the history that goes with the position
      this.#moved()
    } else if (status === 'error' || code === 'database_away') this.#stale(failure({ message, code, ...more }))
    else if (message?.startsWith('warning: ')) this.#warn(message, code)
    else if (this.error?.code === 'database_away') this.#catchUp() // it is back
  }

  #committed({ position }) {
    this.#place.takes(position, [0])
    this.#publish({ changes: this.#rows.commit() })
    this.#moved()
  }

  /** The rows are others: they are kept, and the limit is measured anew when there are too few for it, or far more than there were. */
  #moved() {
    this.#keep()
    if (this.#isOff) this.#measuring ??= setTimeout(() => this.#measure(), MEASURE_AFTER << Math.min(this.#tries++, 7))
    else this.#tries = 0
  }

  get #page() { return this.#options.limit + Math.min(this.#options.limit, SPARE) }

  get #isOff() {
    const { size } = this.#rows
    return this.#isLimited && ((this.#horizon && size <= this.#options.limit) || size > TOO_MANY * Math.max(this.#page, this.#began))
  }

  #measure() {
    this.#measuring = undefined
    if (!this.#isOff || this.status === 'closed') return
    this.#horizon = undefined
    this.#place = new Place(null)
    this.#join()
  }

  /** The rows are live again when all that was committed up to now has come. */
  async #catchUp() {
    const turn = ++this.#turn
    if (!this.#at) return
    await this.#questions.wait().catch(() => {}) // closed
    if (turn === this.#turn && this.#at) this.#publish({ status: 'live', error: null })
  }

  /** What was asked before is old, and the rows are not live, as error says or as the connection is lost. */
  #stale(error = this.error) {
    this.#turn++
    this.#publish({ status: this.status === 'live' ? 'stale' : this.status, error })
  }

  /** Writes a warning to the console, once. That of DELETE and the filter is about bindings without a view. */
  #warn(message, code) {
    if (this.#measured || code === 'replica_identity' || this.#warned.has(message)) return
    this.#warned.add(message)
    console.warn(`liveTable ${this.#options.schema}.${this.#options.table}: ${message}`)
  }

  #reached({ position, history }) {
    this.#isKnown ??= true
    if (position === undefined || !this.#at || !this.#rows.isWhole) return
    this.#place.reaches(position, history)
    this.#keep()
  }

  /** Rows and position are written together, of one moment, and whose they are. */
  #keep() {
    this.#keeper.keep(() => this.#at && JSON.stringify({ subject: this.#subject, at: written(this.#at), horizon: this.#horizon, ...this.#rows.state }))
  }

  #restore() {
    try {
      const { subject, at, horizon, ...state } = JSON.parse(this.#keeper.read() ?? '{}')
      if (subject !== this.#subject) return
      this.#rows.restore(state)
      this.#place = new Place(at)
      this.#horizon = horizon
    } catch (error) {
      console.error('liveTable: what is stored cannot be read', error)
    }
  }

  #end() {
    if (this.status === 'closed') return
    this.#keeper.flush()
    this.#wire.close()
    this.#channel = undefined
    this.#turn++
    this.#questions.fail(new Error('caughtUp: the live table is closed'))
    this.#publish({ status: 'closed' })
    this.#listeners.clear()
  }

  /** Tells everybody once of what is other than before. changes are those of the rows, as [before, after]. */
  #publish({ status = this.status, error = this.error, changes = [] }) {
    if (status === this.status && error === this.error && changes.length === 0) return
    this.state = { rows: this.#rows.list, status, error }
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes)
      } catch (e) {
        console.error('liveTable: a listener failed', e)
      }
    }
  }
}
