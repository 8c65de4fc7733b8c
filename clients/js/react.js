import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { liveTable } from './live.js'
import { Room } from './room.js'

/** In ms: what nobody uses any more is closed after that, as components come back: in StrictMode, after Suspense, on the next page. */
const LINGER = 1_000

const LOADING = { rows: [], status: 'loading', error: null }
const NOBODY = {}

/** What components share, by client and name. It is made for the first that is mounted: one that never is leaves nothing behind. */
const shared = new WeakMap()

const shareOf = (supabase, name) => shared.get(supabase)?.get(name)

/** Returns what is shared under a name, and what gives it back. */
function hold(supabase, name, make) {
  if (!shared.has(supabase)) shared.set(supabase, new Map())
  const shares = shared.get(supabase)
  if (!shares.has(name)) shares.set(name, { thing: make(), users: 0 })
  const share = shares.get(name)
  clearTimeout(share.timer)
  share.users++
  const release = () => {
    if (--share.users > 0) return
    share.timer = setTimeout(() => {
      shares.delete(name)
      share.thing.close()
    }, LINGER)
  }
  return { thing: share.thing, release }
}

/** A hook's subscribe, that holds what it subscribes to by listen. */
const useHeld = (supabase, name, make, listen) => useCallback((listener) => {
  if (!name) return () => {}
  const { thing, release } = hold(supabase, name, make)
  const end = listen(thing, listener)
  return () => {
    end()
    release()
  }
}, [supabase, name])

/** See react.d.ts. */
export function useLiveTable(supabase, options) {
  const name = options && `table ${JSON.stringify({ ...options, storage: undefined })}`
  const subscribe = useHeld(supabase, name, () => liveTable(supabase, options), (table, listener) => table.subscribe(listener))
  const state = useSyncExternalStore(subscribe, () => stateOf(shareOf(supabase, name)), () => LOADING)
  const caughtUp = useCallback(async (xid) => {
    const share = shareOf(supabase, name)
    if (!share) throw new Error('caughtUp: the component is not mounted')
    await share.thing.caughtUp(xid)
  }, [supabase, name])
  return useMemo(() => ({ ...state, caughtUp }), [state, caughtUp])
}

/** What a live table shows, the same object until that changes. */
function stateOf(share) {
  if (!share) return LOADING
  const { rows, status, error } = share.thing
  const { state } = share
  if (state?.rows !== rows || state.status !== status || state.error !== error) share.state = { rows, status, error }
  return share.state
}

/** See react.d.ts. */
export function usePresence(supabase, topic, self, options) {
  const [name, make] = roomOf(supabase, topic, options)
  const subscribe = useHeld(supabase, name, make, (room, listener) => room.watch(listener))
  const text = self ? JSON.stringify(self) : ''
  useEffect(() => {
    if (!name || !text) return
    const { thing, release } = hold(supabase, name, make)
    const end = thing.appear(JSON.parse(text))
    return () => {
      end()
      release()
    }
  }, [supabase, name, text])
  return useSyncExternalStore(subscribe, () => shareOf(supabase, name)?.thing.present ?? NOBODY, () => NOBODY)
}

/** See react.d.ts. */
export function useBroadcast(supabase, topic, handlers = {}, options) {
  const [name, make] = roomOf(supabase, topic, options)
  const latest = useRef(handlers)
  useEffect(() => { latest.current = handlers })
  const subscribe = useHeld(supabase, name, make, (room) => room.hear((message) => {
    for (const event of [message.event, '*']) latest.current[event]?.(message.payload, message)
  }))
  useEffect(() => subscribe(), [subscribe])
  return useCallback(async (event, payload) => {
    const share = shareOf(supabase, name)
    if (!share) throw new Error('send: the component is not mounted')
    return share.thing.send(event, payload)
  }, [supabase, name])
}

const roomOf = (supabase, topic, { private: isPrivate, self } = {}) =>
  [topic && `room ${JSON.stringify([topic, isPrivate, self])}`, () => new Room(supabase, topic, { isPrivate, self })]
