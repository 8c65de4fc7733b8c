// A page in headless Chromium, which runs a script with modules of npm and of this repository, without a bundler; the test talks to it
// by Chromium's own protocol.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import WebSocket from 'ws'
import { modulesOf } from './modules-of.mjs'
import { FLAGS } from './browser.mjs'
import { until } from './until.mjs'

const here = createRequire(import.meta.url)
const client = new URL('../../../clients/js/', import.meta.url)

/** The modules that a page may import by name, with React of a major version, and what they require: parts of the same React. */
const modulesWith = (react) => modulesOf(['react', 'react-dom/client'], (name, from) =>
  (/^react(-dom)?($|\/)/.test(name) ? here.resolve(react === '18' ? name.replace(/^react(-dom)?/, '$&-18') : name) : createRequire(from).resolve(name)))

const html = (imports, script) => `<!doctype html><meta charset="utf-8"><div id="root"></div>
<script src="/supabase.js"></script>
<script type="importmap">${JSON.stringify({ imports: { ...imports, '@walcast/client': '/client/index.js', '@walcast/client/react': '/client/react.js' } })}</script>
<script type="module">${script}</script>`

async function serve(t, react, script) {
  const { imports, texts } = modulesWith(react)
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://x')
    const send = (type, body) => response.writeHead(200, { 'Content-Type': type }).end(body)
    try {
      if (pathname === '/') send('text/html', html(imports, script))
      else if (texts.has(pathname)) send('text/javascript', texts.get(pathname))
      else if (pathname === '/supabase.js') send('text/javascript', await readFile(join(dirname(here.resolve('@supabase/supabase-js')), 'umd/supabase.js')))
      else if (pathname.startsWith('/client/')) send('text/javascript', await readFile(new URL(pathname.slice('/client/'.length), client)))
      else response.writeHead(404).end()
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}/`
}

/** Starts Chromium; resolves with the port at which it is talked to. */
async function chromium(t) {
  const profile = await mkdtemp(join(tmpdir(), 'walcast-chromium-'))
  const child = spawn(process.env.CHROMIUM, [...FLAGS, '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'],
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(async () => {
    if (child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL')
      await once(child, 'exit')
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 10 })
  })
  let said = ''
  child.stderr.on('data', (text) => { said += text })
  const [, port] = await until(() => /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said), () => `Chromium to listen, have ${said}`)
  return port
}

/** Opens a page that runs a script. */
export async function page(t, { react, script }) { return open(t, await serve(t, react, script)) }

/**
 * Opens the page at url; run evaluates an expression in it, sees waits until one is true, errors are what the page has thrown or written to
 * the console as an error or a warning.
 */
export async function open(t, url) {
  const port = await chromium(t)
  const targets = await until(async () => (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()).filter(({ type }) => type === 'page')[0], 'a page')
  const socket = new WebSocket(targets.webSocketDebuggerUrl)
  await once(socket, 'open')
  t.after(() => socket.terminate())
  const errors = []
  const answers = new Map()
  let count = 0
  const ask = (method, params = {}) => new Promise((resolve) => {
    answers.set(++count, resolve)
    socket.send(JSON.stringify({ id: count, method, params }))
  })
  socket.on('message', (text) => {
    const { id, method, params, result } = JSON.parse(text)
    if (id) answers.get(id)(result)
    else if (method === 'Runtime.exceptionThrown') errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text)
    else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning'].includes(params.type)) errors.push(params.args.map((a) => a.value ?? a.description).join(' '))
  })
  await ask('Runtime.enable')
  await ask('Page.enable')
  await ask('Page.navigate', { url })
  const run = async (expression) => {
    const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  const text = () => run('document.body.innerText').catch((error) => error.message)
  return {
    errors, run,
    async sees(expression) {
      await until(() => run(expression).catch(() => false), expression).catch(async (error) => {
        throw new Error(`${error.message}, have ${await text()}, errors ${errors}`)
      })
    },
  }
}
