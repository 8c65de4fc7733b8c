/** A topic, with its broadcasts and who is present, for several listeners on a page. */
export class Room {
  present = {} // what each has tracked, by key; another object after each change
  #supabase; #topic; #config
  #listeners = new Set()
  #selves = [] // who is to be seen from here; the last counts
  #shown // who of them is
  #channel
  #key // under which the channel shows that
  #isOpen = true
  #joined // what sends wait for
  #tells // resolves that

  constructor(supabase, topic, { isPrivate = false, self = false } = {}) {
    this.#supabase = supabase
    this.#topic = topic
    this.#config = { private: isPrivate, broadcast: { self } }
    this.#expect()
    setTimeout(() => this.#join()) // when all of a page have said who is to be seen
  }

  /** Calls a function of its own with each broadcast, and with nothing when present has changed; returns what ends that. */
  listen(listener) {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Has others see { key, meta }; returns what ends that. */
  appear(self) {
    this.#selves.push(self)
    queueMicrotask(() => this.#show())
    return () => {
      this.#selves = this.#selves.filter((each) => each !== self)
      queueMicrotask(() => this.#show()) // when another has come in the same turn, nobody leaves
    }
  }

  async send(event, payload) {
    let joined
    while (this.#isOpen && joined !== this.#joined) await (joined = this.#joined) // it may leave meanwhile, to join by another key
    if (!this.#isOpen) throw new Error('send: the component is not mounted any more')
    return this.#channel.send({ type: 'broadcast', event, payload })
  }

  close() {
    this.#isOpen = false
    this.#tells()
    if (this.#channel) this.#supabase.removeChannel(this.#channel)
  }

  #expect() { this.#joined = new Promise((resolve) => { this.#tells = resolve }) }

  #join() {
    if (!this.#isOpen) return
    this.#key = this.#selves.at(-1)?.key ?? ''
    const channel = this.#channel = this.#supabase.channel(this.#topic, { config: { ...this.#config, presence: { key: this.#key, enabled: true } } })
    const tell = (message) => { for (const listener of [...this.#listeners]) listener(message) }
    channel.on('broadcast', { event: '*' }, tell)
    channel.on('presence', { event: 'sync' }, () => {
      this.present = { ...channel.presenceState() }
      tell()
    })
    channel.subscribe((status) => {
      if (status !== 'SUBSCRIBED') return
      this.#shown = undefined
      this.#tells()
      this.#show()
    })
  }

  /** Who is seen is told after each join, and when that changes; another key takes another join. */
  #show() {
    const self = this.#selves.at(-1)
    if (this.#channel?.state !== 'joined' || self === this.#shown) return
    this.#shown = self
    if (!self) return this.#channel.untrack()
    if ((self.key ?? '') === this.#key) return this.#channel.track(self.meta ?? {})
    this.#channel.unsubscribe() // removeChannel of some versions takes others too, or ends the connection
    this.#expect()
    this.#join()
  }
}
