// A TCP proxy before a server, or before Postgres: through it a test cuts connections and swallows what one side says.
import net from 'node:net'
import { once } from 'node:events'

export class Proxy {
  #pairs = new Set()
  swallows = false // what clients send
  open = true // to new connections
  said = '' // by clients
  answered = '' // to them

  constructor(port) {
    this.to = port // of the server, for new connections
    this.listener = net.createServer((client) => {
      if (!this.open) return client.destroy()
      const pair = [client, net.connect(this.to, '127.0.0.1')]
      this.#pairs.add(pair)
      client.on('data', (bytes) => {
        this.said += bytes.toString('latin1')
        if (!this.swallows) pair[1].write(bytes)
      })
      pair[1].on('data', (bytes) => {
        this.answered += bytes.toString('latin1')
        client.write(bytes)
      })
      for (const end of pair) {
        end.on('error', () => {}) // close follows
        end.on('close', () => {
          this.#pairs.delete(pair)
          for (const each of pair) each.destroy()
        })
      }
    })
  }

  /** Ends all connections; with open false nobody comes back before it is set again. */
  cut({ open = true } = {}) {
    this.open = open
    this.swallows = false
    for (const pair of this.#pairs) for (const end of pair) end.destroy()
  }

  get port() { return this.listener.address().port }
  get url() { return `http://127.0.0.1:${this.port}` }
  get socket() { return `ws://127.0.0.1:${this.port}/realtime/v1` }
}

/** Starts a proxy before a port; it goes when the test ends. */
export async function proxy(t, port) {
  const p = new Proxy(port)
  p.listener.listen(0, '127.0.0.1')
  await once(p.listener, 'listening')
  t.after(() => {
    p.cut({ open: false })
    p.listener.close()
  })
  return p
}
