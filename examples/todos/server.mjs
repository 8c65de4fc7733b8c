// Serves the page, and writes what it asks for: the part that any server of an app has. npm start has walcast dev serve the rest.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { modulesOf } from './modules.mjs'

const client = new URL('../../clients/js/', import.meta.url)

/**
 * The page for a walcast at url; database is a pool of pg, require finds the modules of npm. What it serves is named here: no address is
 * taken for a path.
 */
export function site({ url, key, database, require = createRequire(import.meta.url) }) {
  const { imports, texts } = modulesOf(['react', 'react-dom/client'], (name, from) => (from ? createRequire(from) : require).resolve(name))
  const html = `<!doctype html><meta charset="utf-8"><title>walcast</title><link rel="stylesheet" href="/style.css"><div id="root"></div>
<script src="/supabase.js"></script>
<script>window.settings = ${JSON.stringify({ url, key })}</script>
<script type="importmap">${JSON.stringify({ imports: { ...imports, '@walcast/client/react': '/client/react.js' } })}</script>
<script type="module" src="/app.js"></script>`
  const file = (type, path) => async () => [type, await readFile(path)]
  const answers = new Map([
    ['/', () => ['text/html', html]],
    ['/app.js', file('text/javascript', new URL('app.js', import.meta.url))],
    ['/style.css', file('text/css', new URL('style.css', import.meta.url))],
    ['/supabase.js', file('text/javascript', join(dirname(require.resolve('@supabase/supabase-js')), 'umd/supabase.js'))],
    ...readdirSync(client).filter((name) => name.endsWith('.js')).map((name) => [`/client/${name}`, file('text/javascript', new URL(name, client))]),
    ...[...texts].map(([address, text]) => [address, () => ['text/javascript', text]]),
    ['/notes', async (request) => ['application/json', JSON.stringify(await insert(database, JSON.parse(Buffer.concat(await request.toArray()))))]],
  ])
  return createServer(async (request, response) => {
    try {
      const answer = answers.get(new URL(request.url, url).pathname)
      if (!answer) return response.writeHead(404).end('There is no such page')
      const [type, body] = await answer(request)
      response.writeHead(200, { 'Content-Type': type }).end(body)
    } catch (error) {
      console.error(`${request.method} ${request.url}:`, error)
      response.writeHead(500).end('That did not work: the server has written why')
    }
  })
}

export const TABLE = `create table if not exists notes (id uuid primary key default gen_random_uuid(), channel_id int not null,
  author text not null default 'psql', body text not null, sent_at timestamptz not null default clock_timestamp());
  grant select on notes to anon`

/** Inserts a note. The id of the transaction tells the page when it has come back to it. */
async function insert(database, { id, channel, author, body }) {
  const { rows: [row] } = await database.query(`with note as (insert into notes (id, channel_id, author, body) values ($1, $2, $3, $4))
    select pg_current_xact_id()::text as xid`, [id, channel, author, body])
  return row
}

/** Starts walcast dev; resolves with what it prints to copy. */
async function dev() {
  const child = spawn(fileURLToPath(new URL('../../bin/walcast', import.meta.url)), ['dev', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code) => process.exit(code ?? 0))
  let said = ''
  while (!said.includes('Ctrl-C')) said += await once(child.stdout, 'data')
  const [url, key, dsn] = [/URL +(\S+)/, /anon key +(\S+)/, /psql "([^"]+)"/].map((pattern) => pattern.exec(said)[1])
  return { url, key, dsn }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, key, dsn } = await dev()
  const { default: pg } = await import('pg')
  const database = new pg.Pool({ connectionString: dsn })
  await database.query(`${TABLE}; alter publication supabase_realtime add table notes`)
  const server = site({ url, key, database }).listen(process.env.PORT ?? 8080, '127.0.0.1')
  await once(server, 'listening')
  console.log(`Open http://127.0.0.1:${server.address().port} in two windows, and write to it from outside:\n\n  psql "${dsn}" -c "insert into notes (channel_id, body) values (42, 'hello')"\n`)
}
