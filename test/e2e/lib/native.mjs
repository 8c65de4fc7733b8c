// Import this before a client that takes the platform's WebSocket where there is one, from Node 22 on: with the one of ws
// instead, all kinds of clients have the same, whose pongs can be counted.
import WebSocket from 'ws'

if (globalThis.WebSocket) globalThis.WebSocket = WebSocket
