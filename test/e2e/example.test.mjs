// The page of examples/todos, in two windows.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { site, TABLE } from '../../examples/todos/server.mjs'
import { inChromium } from './lib/browser.mjs'
import { database } from './lib/database.mjs'
import { open } from './lib/page.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

if (inChromium) test('two windows of the example see notes, each other and their cursors', async (t) => {
  await database.query(TABLE)
  t.after(() => database.query('drop table notes'))
  const server = await serve(t, { tables: ['notes'] })
  let hold = Promise.resolve() // what writes wait for
  const writes = { query: (...args) => hold.then(() => database.query(...args)) }
  const example = site({ url: server.url, key: anon, database: writes, require: createRequire(import.meta.url) }).listen(0, '127.0.0.1')
  await once(example, 'listening')
  t.after(() => {
    example.closeAllConnections()
    example.close()
  })
  const url = `http://127.0.0.1:${example.address().port}/`
  const [one, two] = await Promise.all([open(t, url), open(t, url)])
  const list = (selector) => `[...document.querySelectorAll('${selector}')].map((e) => e.innerText)`
  for (const window of [one, two]) await window.sees(`document.querySelector('.status').innerText.startsWith('live') && ${list('.online li')}.length === 2`)

  await database.query(`insert into notes (channel_id, body) values (42, 'from outside'), (7, 'for others')`)
  for (const window of [one, two]) await window.sees(`${list('ol li')}.join() === 'psql from outside'`)

  let goOn
  hold = new Promise((resolve) => { goOn = resolve })
  await one.run(`document.querySelector('input').value = 'hello', document.querySelector('button').click()`)
  await one.sees(`${list('ol li.pending')}.length === 1 && ${list('ol li')}.length === 2`)
  await one.run(`window.most = 0, new MutationObserver(() => { most = Math.max(most, document.querySelectorAll('ol li').length) }).observe(document.querySelector('ol'), { childList: true })`)
  goOn()
  await one.sees(`${list('ol li.pending')}.length === 0 && ${list('ol li')}.length === 2`)
  await two.sees(`${list('ol li')}[0].endsWith('hello')`)
  assert.ok(await one.run('most') <= 2, 'the row and its optimistic one do not show together')

  await until(async () => {
    await one.run(`document.querySelector('.page').dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 100, clientY: 50 }))`)
    return two.run(`${list('.cursor')}.length === 1`)
  }, 'the cursor of the other')
  assert.deepEqual([...one.errors, ...two.errors], [])
})
