// What the hooks of the client module share for a topic, clients/js/room.js, without React.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Room } from '../../clients/js/room.js'
import { connect } from './lib/clients.mjs'
import { relay } from './lib/relay.mjs'
import { serve } from './lib/server.mjs'
import { within } from './lib/until.mjs'

test('what is sent while a channel joins by a key that has changed meanwhile is sent by the next', async (t) => {
  let joins = 0
  let leave
  const between = await relay(t, await serve(t), {
    toServer(m) {
      if (m[3] === 'phx_join' && ++joins === 1) {
        leave()
        room.appear({ key: 'bob' })
      }
      return m
    },
  })
  const room = new Room(connect(t, between), 'room', {})
  t.after(() => room.close())
  leave = room.appear({ key: 'ann' })
  assert.equal(await within(room.send('said', {}), () => `a broadcast after ${joins} joins`), 'ok')
  assert.equal(joins, 2)
})
