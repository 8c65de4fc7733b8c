// A WebSocket relay before a server: through it a test reads, changes and drops what either side says.
import { once } from 'node:events'
import WebSocket, { WebSocketServer } from 'ws'

/** Starts a relay; it goes when the test ends. toServer and toClient get each message, and return what goes on; undefined is nothing. */
export async function relay(t, server, { toServer = (m) => m, toClient = (m) => m } = {}) {
  const listener = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(listener, 'listening')
  const pairs = new Set()
  const r = {
    open: true, said: [], answered: [], toServer, toClient,
    url: `http://127.0.0.1:${listener.address().port}`,
    socket: `ws://127.0.0.1:${listener.address().port}/realtime/v1`,
    /** The bindings' `resume` of each join. */
    get resumes() { return r.said.filter((m) => m[3] === 'phx_join').map((m) => m[4].config.postgres_changes[0].resume) },
    /** Says something to all clients that the server has not said now. */
    tell(message) { for (const [client] of pairs) client.send(JSON.stringify(message)) },
    answeredCodes: () => r.answered.map((m) => m[4]?.code).filter(Boolean),
    /** Ends all connections; with open false nobody comes back before it is set again. */
    cut({ open = true } = {}) {
      r.open = open
      for (const pair of pairs) for (const end of pair) end.terminate()
    },
  }
  listener.on('connection', (client, request) => {
    if (!r.open) return client.terminate()
    const behind = new WebSocket(`${server.url.replace('http', 'ws')}${request.url}`)
    const pair = [client, behind]
    pairs.add(pair)
    const waiting = []
    const pass = (to, change, log) => (bytes, isBinary) => {
      let text = bytes
      if (!isBinary) {
        const message = change(JSON.parse(bytes.toString()))
        if (message === undefined) return
        log.push(message)
        text = JSON.stringify(message)
      }
      if (to.readyState === WebSocket.CONNECTING) waiting.push(text)
      else if (to.readyState === WebSocket.OPEN) to.send(text)
    }
    client.on('message', pass(behind, (m) => r.toServer(m), r.said))
    behind.on('message', pass(client, (m) => r.toClient(m), r.answered))
    behind.on('open', () => waiting.forEach((text) => behind.send(text)))
    for (const end of pair) {
      end.on('error', () => {}) // close follows
      end.on('close', () => {
        pairs.delete(pair)
        for (const each of pair) each.terminate()
      })
    }
  })
  t.after(() => {
    r.cut({ open: false })
    listener.close()
  })
  return r
}
