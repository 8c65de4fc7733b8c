// Not run, only type-checked, by types.test.mjs: the hooks as apps use them.
import { createClient } from '@supabase/supabase-js'
import { useState } from 'react'
import { useBroadcast, useLiveTable, usePresence } from '../../../clients/js/react.js'

interface Message { id: number; body: string }

const supabase = createClient('http://localhost:4000', 'key')

export function Chat({ id, me }: { id: number | null; me: { id: string; name: string } }) {
  const [typing, setTyping] = useState('')
  const { rows, status, error, caughtUp } = useLiveTable<Message>(supabase, id === null ? null : { table: 'messages', filter: `channel_id=eq.${id}`, limit: 50 })
  const present = usePresence<{ name: string }>(supabase, id === null ? null : `chat-${id}`, { key: me.id, meta: { name: me.name } }, { private: true })
  const send = useBroadcast(supabase, `chat-${id}`, { typing: ({ who }, message) => setTyping(who + message.event) }, { self: true })
  const add = async (xid: string) => {
    const said: string = await send('typing', { who: me.name })
    await caughtUp(xid)
    return said
  }
  return <ul onClick={() => add('7')}>
    {status} {error?.fix} {typing} {Object.entries(present).map(([key, metas]) => key + metas[0]?.name)}
    {rows.map((message) => <li key={message.id}>{message.body}</li>)}
  </ul>
}

// @ts-expect-error a message has no colour
export const colour = () => useLiveTable<Message>(supabase, { table: 'messages' }).rows[0]?.colour
// @ts-expect-error handlers are functions
export const handlers = () => useBroadcast(supabase, 'room', { typing: 'who' })
