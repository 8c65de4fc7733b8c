const AT_ONCE = 50 // the server takes 100 of one channel

/** Who waits until something has been sent. What a lost connection leaves without an answer is asked again after the next join. */
export class Questions {
  #send // sends the payload of a question; returns its push
  #open = new Set()

  constructor(send) { this.#send = send }

  /** Resolves when all of a transaction has come, or without xid of all that has been committed by now. */
  async wait(xid) {
    const payload = xid === undefined ? {} : { xid: Number(BigInt(xid) & 0xffffffffn) } // Postgres' 64 bits have the epoch above
    await new Promise((resolve, reject) => {
      this.#open.add({ payload, resolve, reject, push: undefined })
      this.ask()
    })
  }

  /** The channel has joined: what was asked before is asked again. */
  joined() {
    for (const question of this.#open) question.push = undefined
    this.ask()
  }

  /** Asks what has not been asked yet, as many as may be under way. */
  ask() {
    const open = [...this.#open]
    let free = AT_ONCE - open.filter(({ push }) => push).length
    for (const question of open) {
      if (question.push || free-- <= 0) continue
      const push = question.push = this.#send(question.payload)
      if (!push) return // not joined
      push.receive('error', ({ reason }) => {
        if (question.push === push) this.#close(question, () => question.reject(new Error(`caughtUp: ${reason}`)))
      })
    }
  }

  /** The server has sent all that a question is about. Its ref is that of the question's push. */
  answered(ref) {
    for (const question of this.#open) if (question.push?.ref === ref) return this.#close(question, question.resolve)
  }

  /** Nothing will be answered any more. */
  fail(error) {
    for (const question of this.#open) question.reject(error)
    this.#open.clear()
  }

  #close(question, settle) {
    this.#open.delete(question)
    settle()
    this.ask()
  }
}
