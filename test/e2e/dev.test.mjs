import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import pg from 'pg'
import { program } from './lib/dev.mjs'
import { until } from './lib/until.mjs'

test('what walcast dev prints works by copying: a program, and curl', async (t) => {
  const dev = program(t, undefined, ['dev', '--listen', '127.0.0.1:0'])
  await until(() => dev.text.includes('Ctrl-C stops everything'), 'walcast dev to be ready')
  const file = new URL(`.snippet-${process.pid}.mjs`, import.meta.url).pathname
  await writeFile(file, /^import[^]*?(?=^Ctrl-C)/m.exec(dev.text)[0])
  t.after(() => rm(file))

  const copy = program(t, process.execPath, [file])
  await until(() => copy.text.includes('SUBSCRIBED'), 'SUBSCRIBED')
  await until(() => copy.text.includes('ok Subscribed to PostgreSQL'), () => `the program to say that rows come, have ${copy.text}`)
  const curl = program(t, '/bin/sh', ['-c', `exec ${/^ *(curl .*)$/m.exec(dev.text)[1]}`])
  await until(() => curl.text.includes('Subscribed to PostgreSQL'), () => `the stream to begin, have ${curl.text}`)
  const database = new pg.Client({ connectionString: /psql "([^"]+)"/.exec(dev.text)[1] })
  await database.connect()
  await database.query(`insert into messages (channel_id, body) values (7, 'for others'), (42, 'hello')`)
  await database.end()
  for (const reader of [copy, curl]) {
    await until(() => reader.text.includes('hello'), () => `the row, have ${reader.text}`)
    assert.match(reader.text, /INSERT/)
    assert.doesNotMatch(reader.text, /for others/)
  }

  dev.kill('SIGINT')
  assert.deepEqual(await once(dev, 'exit'), [0, null])
})
