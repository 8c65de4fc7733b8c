// The page of examples/todos, in two windows.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { site, TABLE } from '../../examples/todos/server.mjs'
import { inChromium } from './lib/browser.mjs'
import { database } from './lib/database.mjs'
import { open } from './lib/page.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'
import { until } from './lib/until.mjs'

/** The page of the example, with what writes for it; it goes when the test ends. */
async function start(t, { url = 'http://127.0.0.1:1', database }) {
  const example = site({ url, key: anon, database, require: createRequire(import.meta.url) }).listen(0, '127.0.0.1')
  await once(example, 'listening')
  t.after(() => {
    example.closeAllConnections()
    example.close()
  })
  return `http://127.0.0.1:${example.address().port}`
}

test('the example serves the modules that its page imports, and no other file', async (t) => {
  t.mock.method(console, 'error', () => {})
  const url = await start(t, {})
  /** Asks for an address as it stands, which fetch would tidy up. */
  const ask = async (path) => {
    const [response] = await once(get(url, { path }), 'response')
    return { status: response.statusCode, text: Buffer.concat(await response.toArray()).toString() }
  }
  const { imports } = JSON.parse(/importmap">(.*?)<\/script>/.exec((await ask('/')).text)[1])
  assert.deepEqual(imports, { react: '/modules/react/index.js', 'react-dom/client': '/modules/react-dom/client.js', '@walcast/client/react': '/client/react.js' })
  const seen = new Set(['/app.js', ...Object.values(imports)])
  for (const path of seen) {
    const { status, text } = await ask(path)
    assert.equal(status, 200, path)
    for (const [, other] of text.matchAll(/^import .*?["'](\.?\/.+?)["']$/gm)) seen.add(other.replace(/^\./, '/client'))
  }
  assert.ok(seen.size > 8, [...seen].join())
  const here = createRequire(import.meta.url)
  for (const path of [
    `/modules${here.resolve('react')}`, `/modules${here.resolve('pg')}`, '/modules/pg/lib/index.js', '/modules/../server.mjs', '/client/../../../go.mod', '/client/..%2fpackage.json',
    '/client/package.json', '/server.mjs', '/%2e%2e/package.json', '/constructor', '/__proto__',
  ]) assert.deepEqual(await ask(path), { status: 404, text: 'There is no such page' }, path)
  for (const path of ['//', '/notes']) assert.deepEqual(await ask(path), { status: 500, text: 'That did not work: the server has written why' }, path)
})

if (inChromium) test('two windows of the example see notes, each other and their cursors', async (t) => {
  await database.query(TABLE)
  t.after(() => database.query('drop table notes'))
  const server = await serve(t, { tables: ['notes'] })
  let hold = Promise.resolve() // what writes wait for
  const writes = { query: (...args) => hold.then(() => database.query(...args)) }
  const url = await start(t, { url: server.url, database: writes })
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
