// The programs of the README, as somebody copies them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { database } from './lib/database.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
const programs = [...text.matchAll(/^```js\n(import [^]*?)^```/gm)].map(([, program]) => program)

/** Runs a program against a server that does not publish its table; returns what it has said. */
async function run(t, program) {
  await database.query('create table messages (id int primary key, channel_id int, body text); grant select on messages to anon')
  t.after(() => database.query('drop table messages'))
  const server = await serve(t)
  const file = new URL(`.readme-${process.pid}.mjs`, import.meta.url).pathname
  const placed = program.replace('http://127.0.0.1:4000', server.url).replace('@walcast/client', '../../clients/js/index.js')
  await writeFile(file, `import ws from 'ws'\nglobalThis.WebSocket = ws\nconst anonKey = '${anon}'\n${placed}`)
  t.after(() => rm(file))
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const output = { said: '', matches: (pattern) => until(() => pattern.exec(output.said), () => `${pattern}, have ${output.said}`) }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { output.said += part })
  return output
}

test('there are two programs', () => assert.equal(programs.length, 2))

test('the live table says why there are no rows, and shows them when it is cured', async (t) => {
  const output = await run(t, programs[0])
  const [, fix] = await output.matches(/^loading \[\] Unable to subscribe [^]*?(ALTER PUBLICATION .*;)$/m)
  await database.query(fix)
  await output.matches(/^live \[\] +$/m)
  await database.query(`insert into messages values (1, 7, 'for others'), (2, 42, 'hello')`)
  await output.matches(/^live \[ \{ id: 2, channel_id: 42, body: 'hello' \} \] +$/m)
  assert.doesNotMatch(output.said, /for others/)
})

test('the channel says why no rows come, and shows them when it is cured', async (t) => {
  const output = await run(t, programs[1])
  const [, fix] = await output.matches(/^error Unable to subscribe .*(ALTER PUBLICATION .*;)$/m)
  assert.match(output.said, /SUBSCRIBED/)
  await database.query(fix)
  await output.matches(/ok Subscribed to PostgreSQL/)
  await database.query(`insert into messages values (1, 7, 'for others'), (2, 42, 'hello')`)
  await output.matches(/hello/)
  assert.doesNotMatch(output.said, /for others/)
})
