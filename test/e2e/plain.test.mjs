// The page of examples/plain, in two windows of another origin than the server's.
import './lib/own-database.mjs'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { inChromium } from './lib/browser.mjs'
import { database } from './lib/database.mjs'
import { open } from './lib/page.mjs'
import { serve } from './lib/server.mjs'
import { anon } from './lib/tokens.mjs'

async function site(t) {
  const html = await readFile(new URL('../../examples/plain/index.html', import.meta.url))
  const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(html)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}/`
}

const texts = (selector) => `[...document.querySelectorAll('${selector}')].map((e) => e.innerText).join()`

if (inChromium) test('two windows see rows, each other and what they say, over a restart of the server', async (t) => {
  await database.query(`create table messages (id bigint generated always as identity primary key, channel_id bigint not null, author text not null, body text not null); grant select on messages to anon`)
  t.after(() => database.query('drop table messages'))
  const insert = (channel, body) => database.query(`insert into messages (channel_id, author, body) values ($1, 'psql', $2)`, [channel, body])
  await insert(42, 'there')
  await insert(7, 'for others')
  const server = await serve(t, { tables: ['messages'] })
  const address = (name) => `?${new URLSearchParams({ server: server.url, key: anon, name })}`
  const at = await site(t)
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => open(t, at + address(name))))
  for (const window of [ann, bob]) {
    await window.sees(`${texts('#rows li')} === 'psql: there'`)
    await window.sees(`document.getElementById('people').innerText === 'ann, bob'`)
  }
  await ann.run(`document.getElementById('say').text.value = 'hello', document.querySelector('#say button').click()`)
  for (const window of [ann, bob]) await window.sees(`${texts('#said li')} === 'ann: hello'`)

  await database.query(`begin; update messages set body = 'changed' where body = 'there'; insert into messages (channel_id, author, body) values (42, 'psql', 'new'); commit`)
  for (const window of [ann, bob]) await window.sees(`${texts('#rows li')} === 'psql: changed,psql: new'`)

  await server.end('SIGKILL')
  await database.query(`delete from messages where body = 'changed'`)
  await server.start()
  for (const window of [ann, bob]) {
    await window.sees(`${texts('#rows li')} === 'psql: new'`)
    await window.sees(`document.getElementById('people').innerText === 'ann, bob'`)
  }
  await bob.run(`document.getElementById('say').text.value = 'again', document.querySelector('#say button').click()`)
  for (const window of [ann, bob]) await window.sees(`${texts('#said li')} === 'ann: hello,bob: again'`)
  assert.deepEqual(ann.errors, [])
})
