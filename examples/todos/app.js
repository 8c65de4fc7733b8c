import { createElement as h, useOptimistic, useRef, useState, startTransition } from 'react'
import { createRoot } from 'react-dom/client'
import { useBroadcast, useLiveTable, usePresence } from '@walcast/client/react'

const supabase = window.supabase.createClient(window.settings.url, window.settings.key)
const CHANNEL = 42
const ROOM = `room-${CHANNEL}`
const CURSORS_EVERY = 50 // ms

const me = { key: crypto.randomUUID(), meta: { name: ['Ada', 'Bob', 'Eve', 'Ida', 'Joe', 'Kim', 'Leo', 'Mia'][Math.floor(Math.random() * 8)] } }

function App() {
  return h(Cursors, null, h('main', null, h('h1', null, `Channel ${CHANNEL}`), h(Online), h(Messages)))
}

function Online() {
  const present = usePresence(supabase, ROOM, me)
  const names = Object.entries(present).map(([key, [{ name }]]) => h('li', { key, className: key === me.key ? 'me' : '' }, name))
  return h('ul', { className: 'online' }, names)
}

/** What is written here shows at once, pale, and for good when its transaction has come back. Its ref is known before its id. */
function Messages() {
  const { rows, status, error, caughtUp } = useLiveTable(supabase, { table: 'messages', filter: `channel_id=eq.${CHANNEL}`, order: 'id.desc', limit: 50 })
  const [shown, show] = useOptimistic(rows, (before, message) => (before.some(({ ref }) => ref === message.ref) ? before : [message, ...before]))
  const [refused, refuse] = useState('')
  const write = (body) => startTransition(async () => {
    const message = { ref: crypto.randomUUID(), channel: CHANNEL, author: me.meta.name, body }
    show({ ...message, isPending: true })
    const response = await fetch('/messages', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(message) })
    if (!response.ok) return refuse(await response.text())
    refuse('')
    await caughtUp((await response.json()).xid)
  })
  return h('section', null,
    h('p', { className: `status ${status}` }, [status, error?.message, error?.fix, refused].filter(Boolean).join(' ')),
    h(Write, { write }),
    h('ol', null, shown.map(({ ref, author, body, isPending }) => h('li', { key: ref, className: isPending ? 'pending' : '' }, h('b', null, author), ' ', body))))
}

function Write({ write }) {
  const submit = (event) => {
    event.preventDefault()
    const { value } = event.target.elements.body
    event.target.reset()
    if (value) write(value)
  }
  return h('form', { onSubmit: submit }, h('input', { name: 'body', placeholder: 'Say something', autoComplete: 'off' }), h('button', null, 'Send'))
}

/** The pointers of the others. A broadcast that is lost is no matter: the next one is there soon. */
function Cursors({ children }) {
  const [cursors, setCursors] = useState({})
  const present = usePresence(supabase, ROOM)
  const send = useBroadcast(supabase, ROOM, { cursor: ({ key, x, y }) => setCursors((before) => ({ ...before, [key]: { x, y } })) })
  const sent = useRef(0)
  const move = ({ clientX, clientY }) => {
    if (Date.now() - sent.current < CURSORS_EVERY) return
    sent.current = Date.now()
    send('cursor', { key: me.key, x: clientX / innerWidth, y: clientY / innerHeight })
  }
  const others = Object.entries(cursors).filter(([key]) => present[key] && key !== me.key)
  return h('div', { className: 'page', onPointerMove: move }, children, others.map(([key, { x, y }]) =>
    h('i', { key, className: 'cursor', style: { left: `${x * 100}%`, top: `${y * 100}%` } }, present[key][0].name)))
}

createRoot(document.getElementById('root')).render(h(App))
