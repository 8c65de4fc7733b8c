// The first program of the README, as somebody copies it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { database } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

test('the first program says why no rows come, and shows them when it is cured', async (t) => {
  await database.query('create table messages (id int primary key, channel_id int, body text); grant select on messages to anon')
  t.after(() => database.query('drop table messages'))
  const server = await serve(t)
  const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [, program] = /^```js\n(import [^]*?)^```/m.exec(text)
  const file = new URL(`.readme-${process.pid}.mjs`, import.meta.url).pathname
  await writeFile(file, `import ws from 'ws'\nglobalThis.WebSocket = ws\nconst anonKey = '${anon}'\n${program.replace('http://127.0.0.1:4000', server.url)}`)
  t.after(() => rm(file))
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { said += part })
  const [, fix] = await until(() => /^error Unable to subscribe .*(ALTER PUBLICATION .*;)$/m.exec(said), () => `why no rows come, have ${said}`)
  assert.match(said, /SUBSCRIBED/)
  await database.query(fix)
  await until(() => said.includes('ok Subscribed to PostgreSQL'), () => `the cure to be noticed, have ${said}`)
  await database.query(`insert into messages values (1, 7, 'for others'), (2, 42, 'hello')`)
  await until(() => said.includes('hello'), () => `the row, have ${said}`)
  assert.doesNotMatch(said, /for others/)
})
