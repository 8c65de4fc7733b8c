// What Supabase's stack has in front of its Realtime: Kong, with the two routes of its kong.yml that are about it. Each
// strips its path from the beginning of a request's and puts the path of its URL in its place.
import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'

const routes = [ // the longest path wins
  { path: '/realtime/v1/api', to: '/api' },
  { path: '/realtime/v1/', to: '/socket/' },
]

const rewritten = (url) => {
  const route = routes.find(({ path }) => url.startsWith(path))
  return route && route.to + url.slice(route.path.length)
}

/** Starts a gateway before a server; it goes when the test ends. */
export async function gateway(t, server) {
  const own = http.createServer((request, response) => {
    const path = rewritten(request.url)
    if (!path) return response.writeHead(404).end()
    const onward = http.request({ host: '127.0.0.1', port: server.port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  const open = new Set()
  own.on('connection', (socket) => open.add(socket))
  own.on('upgrade', (request, client, head) => {
    const path = rewritten(request.url)
    const onward = net.connect(server.port, '127.0.0.1', () => {
      const lines = request.rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': ')).join('')
      onward.write(`${request.method} ${path} HTTP/1.1\r\n${lines}\r\n`)
      onward.write(head)
      onward.pipe(client).pipe(onward)
    })
    for (const end of [client, onward]) {
      end.on('error', () => {}) // close follows
      end.on('close', () => { client.destroy(); onward.destroy() })
    }
  })
  own.listen(0, '127.0.0.1')
  await once(own, 'listening')
  t.after(() => {
    own.close()
    for (const socket of open) socket.destroy()
  })
  const { port } = own.address()
  return { port, url: `http://127.0.0.1:${port}`, socket: `ws://127.0.0.1:${port}/realtime/v1` }
}
