// What make dev starts: the page of examples/todos, in two windows.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import pg from 'pg'
import { inChromium } from './lib/browser.mjs'
import { program } from './lib/dev.mjs'
import { open } from './lib/page.mjs'
import { here, taken, there } from './lib/take-modules.mjs'
import { until } from './lib/until.mjs'

test('the modules of the page are those of npm, with their licences', async () => {
  assert.deepEqual((await readdir(here)).sort(), Object.keys(taken).sort())
  for (const [name, path] of Object.entries(taken)) {
    assert.ok((await readFile(new URL(name, here))).equals(await readFile(new URL(path, there))), `${name} is not ${path}`)
  }
})

/** Starts what make dev starts, at another port. Resolves with the address that it says to open, and its database. */
async function start(t) {
  const makefile = await readFile(new URL('../../Makefile', import.meta.url), 'utf8')
  const dev = program(t, undefined, [.../exec bin\/walcast (dev.*)$/m.exec(makefile)[1].split(' '), '--listen', '127.0.0.1:0'])
  await until(() => dev.text.includes('Ctrl-C stops everything'), () => `walcast dev to be ready, have ${dev.text}`, 120_000) // it makes a database cluster
  const database = new pg.Pool({ connectionString: /psql "([^"]+)"/.exec(dev.text)[1] })
  database.on('error', () => {}) // it is stopped with the test
  t.after(() => database.end())
  return { dev, url: /^Open (http:\S+) in two windows/m.exec(dev.text)[1], database }
}

/** The texts of what a selector finds, without what the demo of dev writes. */
const list = (selector) => `[...document.querySelectorAll('${selector}')].map((e) => e.innerText).filter((text) => !text.startsWith('demo'))`

if (inChromium) test('make dev: two windows see messages, each other and their cursors', async (t) => {
  const { dev, url, database } = await start(t)
  const [one, two] = await Promise.all([open(t, url), open(t, url)])
  for (const window of [one, two]) await window.sees(`document.querySelector('.status').innerText === 'live' && ${list('.online li')}.length === 2`)
  await one.sees(`[...document.querySelectorAll('ol li')].some((e) => e.innerText.startsWith('demo message'))`)

  await database.query(`insert into messages (channel_id, body) values (42, 'from outside'), (7, 'for others')`)
  for (const window of [one, two]) await window.sees(`${list('ol li')}.join() === 'psql from outside'`)

  const writer = await database.connect()
  await writer.query('begin; lock table messages in share mode') // writes wait
  await one.run(`document.querySelector('input').value = 'hello', document.querySelector('button').click()`)
  await one.sees(`${list('ol li.pending')}.length === 1 && ${list('ol li')}.length === 2`)
  await one.run(`window.most = 0, new MutationObserver(() => { most = Math.max(most, ${list('ol li')}.length) }).observe(document.querySelector('ol'), { childList: true })`)
  await writer.query('commit')
  writer.release()
  await one.sees(`${list('ol li.pending')}.length === 0 && ${list('ol li')}.length === 2`)
  await two.sees(`${list('ol li')}[0].endsWith('hello')`)
  assert.ok(await one.run('most') <= 2, 'the row and its optimistic one do not show together')

  await until(async () => {
    await one.run(`document.querySelector('.page').dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 100, clientY: 50 }))`)
    return two.run(`${list('.cursor')}.length === 1`)
  }, 'the cursor of the other')

  await one.run(`document.querySelector('input').value = 'x'.repeat(70_000), document.querySelector('button').click()`)
  await one.sees(`document.querySelector('.status').innerText.includes('read the message') && ${list('ol li')}.length === 2`)
  assert.deepEqual([...one.errors, ...two.errors], [])

  dev.kill('SIGINT')
  assert.deepEqual(await once(dev, 'exit'), [0, null])
})
