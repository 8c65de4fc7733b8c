import { keeperIn } from './keeper.js'
import { horizonOf, parseOrder, sorterOf } from './order.js'
import { compare } from './place.js'
import { Questions } from './questions.js'
import { Rows } from './rows.js'
import { subjectOf, wireOf } from './wire.js'

/** In ms: clients that ask for equal snapshots within 100 ms share one, which would not have what has just changed. */
const MEASURE_AFTER = 150

/** In ms: when a table that was refused is asked for again. Either time doubles with each in a row, this one up to 6 minutes. */
const RETRY_AFTER = 6_000

/** With a limit: how many rows more than it are asked for, at most, and at how many times as many rows it is measured anew. */
const [SPARE, TOO_MANY] = [50, 4]

/** What does not pass as long as the options are these. */
const OF_OPTIONS = /^(invalid_.*|unknown_operator|limit_with_view)$/

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
  #at // from where the rows go on, { from, history }; undefined before the end of a snapshot
  #horizon // the filter of the rows that a limit needs; '' is no filter, undefined is still to be measured
  #measured // while it is measured: { rows, sort }, of the first column of the order
  #began = 0 // how many rows there were at the end of the snapshot
  #isServed // false if rows will not come, as the server does not know live tables or these options; undefined until it has said something
  #tries = 0 // how often in a row it has joined anew
  #timer // for the next of these
  #warned = new Set()
  #questions = new Questions((payload) => !this.#measured && this.#channel.state === 'joined' && this.#wire.ask('progress', payload, 10_000))

  constructor(supabase, { schema = 'public', ...options }) {
    this.#supabase = supabase
    this.#options = { schema, ...options }
    this.#order = parseOrder(options.order)
    const { storage, ...asked } = this.#options
    this.#keeper = keeperIn(storage, `walcast:live:${JSON.stringify([supabase.supabaseUrl, asked])}`)
    this.#isFor(subjectOf(this.#token ?? supabase.supabaseKey))
    this.#join()
  }

  /** The token that the next join takes; old clients do not say it. */
  get #token() { return (this.#supabase.realtime ?? this.#supabase).accessTokenValue }

  get rows() { return this.state.rows }
  get status() { return this.state.status }
  get error() { return this.state.error }
  get held() { return this.#rows.state.rows } // with a limit more than are shown

  subscribe = (listener) => {
    const own = (changes) => listener(changes) // the same function may be given twice
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  caughtUp = async (xid) => {
    if (this.status === 'closed') throw new Error('caughtUp: the live table is closed')
    if (this.#isServed === false) throw this.error
    await this.#questions.wait(xid)
  }

  close = () => {
    if (this.status === 'closed') return
    this.#keeper.flush()
    clearTimeout(this.#timer)
    this.#wire.close()
    this.#questions.fail(new Error('caughtUp: the live table is closed'))
    this.#publish({ status: 'closed' })
    this.#listeners.clear()
    this.#supabase.removeChannel(this.#channel)
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
    if (this.status === 'closed') return // by a listener
    const { schema, table } = this.#options
    const before = this.#channel
    this.#timer = clearTimeout(this.#timer)
    this.#measured = this.#horizon === undefined ? { rows: [] } : undefined
    const name = `live:${schema}.${table}:${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`
    this.#channel = this.#supabase.channel(name).on('postgres_changes', this.#binding(), () => {})
    this.#wire?.close()
    this.#wire = wireOf(this.#channel, {
      resume: ({ access_token: token = this.#supabase.supabaseKey }) => this.#resume(subjectOf(token)),
      joined: (response) => this.#joined(response),
      refused: (response) => this.#stale(failure(response)),
      token: (token) => this.#joinFor(subjectOf(token)),
      event: (event, payload, pass) => this.#event(event, payload, pass),
      reached: (response) => this.#reached(response),
      unanswered: () => { if (this.#isServed === undefined) this.#refuse(UNKNOWN) },
    })
    this.#channel.subscribe()
    before?.unsubscribe() // removeChannel of some versions takes others too
  }

  /** Joins for rows that have nothing to do with those that there are. */
  #joinAnew() {
    this.#horizon = this.#isLimited ? undefined : ''
    this.#at = undefined
    this.#join()
  }

  /** Joins anew after ms, and later with each time in a row, if that is still due then. */
  #joinLater(ms) {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#isOff) this.#joinAnew()
      else if (this.error) this.#join()
    }, ms * 2 ** Math.min(this.#tries++, 6))
    this.#timer.unref?.() // a program may end meanwhile
  }

  /** From where a join goes on: what the rows have come to. Rows of another user do not count, and are not shown. */
  #resume(subject) {
    if (this.#isLimited) this.#joinFor(subject) // which is measured anew
    else if (subject !== this.#subject) this.#isFor(subject)
    this.#rows.forget()
    return this.#at ?? {}
  }

  /** Joins anew if the rows are for another user, after what is under way. */
  #joinFor(subject) {
    queueMicrotask(() => {
      if (this.status === 'closed' || subject === this.#subject) return
      this.#isFor(subject)
      this.#join()
    })
  }

  #isFor(subject) {
    const before = this.#rows?.state.rows ?? []
    this.#subject = subject
    this.#rows = new Rows(this.#order, this.#options.limit)
    this.#at = undefined
    this.#horizon = this.#isLimited ? undefined : ''
    this.#restore()
    const changes = [...before.map((row) => [row, undefined]), ...this.#rows.state.rows.map((row) => [undefined, row])]
    this.#publish({ status: this.#at ? 'stale' : 'loading', changes })
  }

  get #isLimited() { return this.#options.limit !== undefined && this.#order.length > 0 }

  get #page() { return this.#options.limit + Math.min(this.#options.limit, SPARE) }

  /** With a limit: there are too few rows for it, or far more than there were. */
  get #isOff() {
    const { size } = this.#rows
    return this.#isLimited && this.#at && ((this.#horizon && size <= this.#options.limit) || size > TOO_MANY * Math.max(this.#page, this.#began))
  }

  #joined({ position, history }) {
    this.#isServed = undefined
    if (this.#token) this.#joinFor(subjectOf(this.#token)) // a client does not tell a channel that is joining of another user
    this.#questions.joined()
    if (position !== undefined) {
      if (!this.#at) return this.#refuse(UNKNOWN) // it was asked for a snapshot, before which no position counts
      this.#isServed = true
      if (position !== this.#at.from || history) this.#at = { from: position, history }
      this.#catchUp()
    }
    this.#wire.askPosition()
  }

  /** There will be no rows, and none of what has come is shown. */
  #refuse(why) {
    this.#isServed = false
    this.#rows.forget()
    this.#stale(failure(why))
    this.#questions.fail(this.error)
  }

  #event(event, payload, pass) {
    if (event !== 'postgres_changes') pass() // nobody else listens
    if (event === 'system') this.#system(payload)
    else if (event === 'postgres_changes' && this.#isServed !== false) this.#change(payload.data)
    else if (event === 'postgres_commit' && this.#at) this.#moved(this.#rows.commit(), { ...this.#at, from: payload.position })
    else if (event === 'progress') this.#questions.answered(payload.request)
    else if (event === 'phx_error') this.#stale()
    else if (event === 'phx_close' && this.#channel.state === 'closed') this.close()
  }

  #change(data) {
    if (this.#measured) this.#measured.rows.push(data.record)
    else if (!this.#rows.take(data)) this.#joinAnew()
  }

  #system({ status, code, message, key, order = [], position, ...more }) {
    if (code === 'snapshot_begin') {
      const strange = this.#order.findIndex((_, i) => !sorterOf(order[i]))
      if (strange >= 0) return this.#cannotSort(this.#order[strange].column, order[strange])
      this.#isServed = true
      this.#at = undefined // who is cut before the end begins anew
      if (this.#measured) this.#measured = { rows: [], sort: order[0] }
      else this.#rows.begin(key, order)
    } else if (code === 'snapshot_end') {
      if (this.#isServed) this.#stand(position)
    } else if (status === 'error' && OF_OPTIONS.test(code)) {
      if (!this.#horizon) return this.#refuse({ message, code, ...more })
      this.#horizon = '' // how far the rows go cannot be said: all are held
      this.#join()
    } else if (status === 'error' || code === 'database_away') {
      this.#stale(failure({ message, code, ...more }))
      if (code !== 'database_away') this.#joinLater(RETRY_AFTER) // that it is back is told
    } else if (message?.startsWith('warning: ')) this.#warn(message, code)
    else if (this.error?.code === 'database_away') this.#catchUp() // it is back
  }

  /** A term of the order is one that only Postgres sorts. Where somebody else sorts the rows, these do without. */
  #cannotSort(column, { type = 'that' } = {}) {
    const message = `Rows cannot be kept in the order of ${column}: only Postgres knows how ${type} is sorted. Leave it out of the order, and sort what is shown`
    if (!this.#options.sortable) return this.#refuse({ code: 'unsortable_order', message })
    this.#order.length = 0
    this.#joinAnew()
  }

  /** The snapshot has come: the rows are those, or it is known how far they are to go. */
  #stand(position) {
    this.#timer = clearTimeout(this.#timer)
    if (this.#measured) {
      const [term, { rows, sort }] = [this.#order[0], this.#measured]
      const isWhole = rows.length < this.#page || this.#options.sortable?.(sort.type) === false // somebody else sorts it too, and otherwise
      this.#horizon = isWhole ? '' : horizonOf(term, sort, rows.at(-1)[term.column])
      return this.#join()
    }
    const changes = this.#rows.end()
    this.#began = this.#rows.size
    this.#moved(changes, { from: position }, { status: 'live', error: null })
    this.#wire.askPosition() // for the history that goes with the position
  }

  /** The rows are others, of a new place. They are kept, and a limit is measured anew if need be. */
  #moved(changes, at, more) {
    this.#at = at
    this.#publish({ ...more, changes })
    this.#keep()
    if (this.#isOff) this.#joinLater(MEASURE_AFTER)
    else if (!this.error) this.#tries = 0
  }

  /** The rows are live again when all that was committed up to now has come, unless something breaks before. */
  #catchUp() {
    const { error } = this
    if (!this.#at) return
    const isLive = () => { if (this.#at && this.error === error) this.#publish({ status: 'live', error: null }) }
    this.#questions.wait().then(isLive, () => {}) // it was closed, or refused
  }

  /** The rows are not live, as error says or as the connection is lost. */
  #stale(error = this.error) { this.#publish({ status: this.status === 'live' ? 'stale' : this.status, error }) }

  /** Writes a warning to the console, once. That of DELETE and the filter is about bindings without a view. */
  #warn(message, code) {
    if (this.#measured || code === 'replica_identity' || this.#warned.has(message)) return
    this.#warned.add(message)
    console.warn(`liveTable ${this.#options.schema}.${this.#options.table}: ${message}`)
  }

  #reached({ position, history }) {
    this.#isServed ??= true
    if (position === undefined || !this.#at || !this.#rows.isWhole || compare(position, this.#at.from) < 0) return
    this.#at = { from: position, history: history ?? (position === this.#at.from ? this.#at.history : undefined) }
    this.#keep()
  }

  /** Rows and position are written together, of one moment, and whose they are. */
  #keep() {
    this.#keeper.keep(() => this.#at && JSON.stringify({ subject: this.#subject, at: this.#at, horizon: this.#horizon, ...this.#rows.state }))
  }

  #restore() {
    try {
      const { subject, at, horizon, ...state } = JSON.parse(this.#keeper.read() ?? '{}')
      if (subject !== this.#subject) return
      this.#rows.restore(state)
      this.#at = at
      this.#horizon = horizon
    } catch (error) {
      console.error('liveTable: what is stored cannot be read', error)
    }
  }

  /** Tells everybody once of what is other than before. changes are those of the rows, as [before, after]. */
  #publish({ status = this.status, error = this.error, changes = [] }) {
    if (status === this.status && error === this.error && changes.length === 0) return
    this.state = { rows: this.#rows.list, status, error }
    for (const listener of [...this.#listeners]) {
      try {
        if (this.#listeners.has(listener)) listener(changes) // one before it may have ended it
      } catch (e) {
        console.error('liveTable: a listener failed', e)
      }
    }
  }
}
