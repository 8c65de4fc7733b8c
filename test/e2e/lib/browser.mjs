// EventSource as a page has it: in headless Chromium, where CHROMIUM names one, else as npm's eventsource.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventSource } from 'eventsource'

const NAMES = ['phx_reply', 'postgres_changes', 'broadcast', 'presence_state', 'presence_diff', 'system']
export const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

export const inChromium = Boolean(process.env.CHROMIUM)

/** A site whose pages read event streams and tell what they get. It is another origin than the server's. */
export class Site {
  pages = new Map()
  #count = 0

  constructor(t) {
    this.t = t
    this.server = createServer(async (request, response) => {
      const page = this.pages.get(request.url.split('/')[1])
      if (!page) return response.writeHead(404).end()
      if (request.method === 'POST') {
        for (const chunk of await request.toArray()) page.seen.push(...JSON.parse(chunk))
        return response.writeHead(204).end()
      }
      response.writeHead(200, { 'Content-Type': 'text/html', ...(page.cookie && { 'Set-Cookie': `${page.cookie()}; Path=/` }) }).end(page.html)
    })
  }

  get origin() { return `http://127.0.0.1:${this.server.address().port}` }

  /** Opens a page that reads the stream at url; seen collects its events, "open" and "error" included. cookie makes one when the page is read. */
  async open(url, { cookie } = {}) {
    const name = `page-${++this.#count}`
    const page = { seen: [], cookie, html: `<script>(${script})(${JSON.stringify([url, NAMES, `/${name}/seen`, Boolean(cookie)])})</script>` }
    page.named = (event) => page.seen.filter((e) => e.name === event).map((e) => JSON.parse(e.data))
    page.ids = () => page.named('postgres_changes').map((p) => p.data.record.id)
    this.pages.set(name, page)
    if (inChromium) await chromium(this.t, `${this.origin}/${name}`)
    else this.#imitate(page, url)
    return page
  }

  #imitate(page, url) {
    const headers = { Origin: this.origin, ...(page.cookie && { Cookie: page.cookie() }) }
    const source = new EventSource(url, { fetch: (to, init) => fetch(to, { ...init, headers: { ...init.headers, ...headers } }) })
    this.t.after(() => source.close())
    for (const name of NAMES) source.addEventListener(name, (e) => page.seen.push({ name, id: e.lastEventId, data: e.data }))
    source.onopen = () => page.seen.push({ name: 'open' })
    source.onerror = () => page.seen.push({ name: 'error', state: source.readyState })
  }
}

/** Runs in the page. Reports go one after the other, so that they keep their order. */
function script([url, names, report, withCredentials]) {
  let waiting = []
  let sending = false
  async function tell(event) {
    waiting.push(event)
    if (sending) return
    for (sending = true; waiting.length > 0;) {
      const body = JSON.stringify(waiting)
      waiting = []
      await fetch(report, { method: 'POST', body })
    }
    sending = false
  }
  const source = new EventSource(url, { withCredentials })
  for (const name of names) source.addEventListener(name, (e) => tell({ name, id: e.lastEventId, data: e.data }))
  source.onopen = () => tell({ name: 'open' })
  source.onerror = () => tell({ name: 'error', state: source.readyState })
}

async function chromium(t, url) {
  const profile = await mkdtemp(join(tmpdir(), 'walcast-chromium-'))
  const child = spawn(process.env.CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, url], { detached: true, stdio: 'ignore' })
  t.after(async () => {
    if (child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL')
      await once(child, 'exit')
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 10 })
  })
}

/** Starts a site; it goes when the test ends. */
export async function site(t) {
  const s = new Site(t)
  s.server.listen(0, '127.0.0.1')
  await once(s.server, 'listening')
  t.after(() => {
    s.server.closeAllConnections()
    s.server.close()
  })
  return s
}
