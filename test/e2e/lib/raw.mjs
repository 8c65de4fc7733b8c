// A bare socket, for what no client would send.
import { once } from 'node:events'
import WebSocket from 'ws'
import { anon } from './tokens.mjs'
import { until } from './until.mjs'

/** Opens a socket of vsn 2.0.0; rejects with {status, body} when the handshake is refused. */
export async function raw(t, server, { key = anon, vsn = '2.0.0', params = {} } = {}) {
  const query = new URLSearchParams({ ...(key === null ? {} : { apikey: key }), vsn, ...params })
  const socket = new WebSocket(`${server.socket}/websocket?${query}`)
  t.after(() => socket.terminate())
  const frames = []
  socket.on('message', (data, binary) => frames.push(binary ? data : JSON.parse(data.toString())))
  const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })))
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
    socket.once('unexpected-response', async (_, response) => {
      const chunks = await response.toArray()
      const text = Buffer.concat(chunks).toString()
      reject(Object.assign(new Error(`refused: ${response.statusCode} ${text}`), { status: response.statusCode, body: text && JSON.parse(text) }))
    })
  })
  return {
    socket, frames, closed,
    send: (frame) => socket.send(JSON.stringify(frame)),
    sendRaw: (data) => socket.send(data),
    /** Takes out the first frame that fits, waiting for it. */
    next: (fits) => until(() => {
      const i = frames.findIndex(fits)
      return i >= 0 && frames.splice(i, 1)[0]
    }, `a frame, have ${JSON.stringify(frames)}`),
    async close() {
      socket.close()
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close')
    },
  }
}
