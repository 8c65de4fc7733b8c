// Counts the pongs by which clients prove what they have. All kinds of clients use the same ws.
import WebSocket from 'ws'
import { until } from './until.mjs'

const counts = new Map()
const { pong } = WebSocket.prototype

WebSocket.prototype.pong = function (...args) {
  const clientID = this._isServer ? null : new URL(this.url).searchParams.get('client_id')
  counts.set(clientID, (counts.get(clientID) ?? 0) + 1)
  return pong.apply(this, args)
}

const pongs = (clientID) => counts.get(clientID) ?? 0

/**
 * Waits until the server has proof of all that the channel's client has handled. What a ping stands for is noted a moment
 * before it is sent, so the second one counts; and the last answer comes after the server has read the second pong.
 */
export async function proven(clientID, channel) {
  for (let i = 0; i < 3; i++) {
    const before = pongs(clientID)
    const answer = await channel.send({ type: 'position', event: 'position' }) // it is an answer, which wants a ping
    if (answer !== 'ok') throw new Error(`position was answered ${answer}`)
    if (i < 2) await until(() => pongs(clientID) > before, `a pong of ${clientID}`)
  }
}
