import { UNMATCHED } from './wire.js'

const AT_ONCE = 50 // the server takes 100 of one channel

/** Who waits until something has been sent. What a lost connection leaves without an answer is asked again after the next join. */
export class Questions {
  #send // sends the payload of a question; returns its push, or nothing while there is no channel
  #open = new Set()

  constructor(send) { this.#send = send }

  /** Resolves when all of a transaction has come, or without xid of all that has been committed by now. */
  async wait(xid) {
    const payload = xid === undefined ? {} : { xid: Number(BigInt(xid) & 0xffffffffn) } // Postgres' 64 bits have the epoch above
    await new Promise((resolve, reject) => {
      this.#open.add({ payload, resolve, reject })
      this.#ask()
    })
  }

  /** The channel has joined: what was asked before is asked again. */
  joined() {
    for (const question of this.#open) question.push = undefined
    this.#ask()
  }

  /** The server has sent all that a question is about. Its ref is that of the question's push. */
  answered(ref) {
    for (const question of this.#open) if (question.push?.ref === ref) this.#close(question, question.resolve)
  }

  /** Nothing will be answered any more. */
  fail(error) {
    for (const question of this.#open) question.reject(error)
    this.#open.clear()
  }

  /** Sets, of those that are open, as many as may be under way on their way. */
  #ask() {
    for (const question of [...this.#open].slice(0, AT_ONCE)) {
      if (question.push) continue
      const push = question.push = this.#send(question.payload) || undefined
      push?.receive('error', ({ reason }) => { // the next join asks again what the server had no channel for
        if (question.push === push && reason !== UNMATCHED) this.#close(question, () => question.reject(new Error(`caughtUp: ${reason}`)))
      })
    }
  }

  #close(question, settle) {
    this.#open.delete(question)
    settle()
    this.#ask()
  }
}
