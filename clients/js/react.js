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

/** A function that has f use what is shared under a name, and returns what ends that, with what f has returned. */
const useShared = (supabase, name, make, f) => useCallback((...args) => {
  if (!name) return () => {}
  if (!shared.has(supabase)) shared.set(supabase, new Map())
  const shares = shared.get(supabase)
  if (!shares.has(name)) shares.set(name, { thing: make(), users: 0 })
  const share = shares.get(name)
  share.users++
  clearTimeout(share.timer)
  const end = f(share.thing, ...args)
  return () => {
    end()
    if (--share.users > 0) return
    share.timer = setTimeout(() => {
      shares.delete(name)
      share.thing.close()
    }, LINGER)
  }
}, [supabase, name])

/** Calls a method of what is shared. */
const useMethod = (supabase, name, method) => useCallback(async (...args) => {
  const share = shareOf(supabase, name)
  if (!share) throw new Error(`${method}: the component is not mounted`)
  return share.thing[method](...args)
}, [supabase, name])

/** See react.d.ts. */
export function useLiveTable(supabase, options) {
  const name = options && `table ${JSON.stringify({ ...options, storage: undefined })}`
  const subscribe = useShared(supabase, name, () => liveTable(supabase, options), (table, listener) => table.subscribe(listener))
  const state = useSyncExternalStore(subscribe, () => shareOf(supabase, name)?.thing.state ?? LOADING, () => LOADING)
  const caughtUp = useMethod(supabase, name, 'caughtUp')
  return useMemo(() => ({ ...state, caughtUp }), [state, caughtUp])
}

/** See react.d.ts. */
export function usePresence(supabase, topic, self, options) {
  const [name, make] = roomOf(supabase, topic, options)
  const watch = useShared(supabase, name, make, (room, watcher) => room.listen((message) => message || watcher()))
  const appear = useShared(supabase, name, make, (room, text) => room.appear(JSON.parse(text)))
  const text = self && JSON.stringify(self)
  useEffect(() => (text ? appear(text) : undefined), [appear, text])
  return useSyncExternalStore(watch, () => shareOf(supabase, name)?.thing.present ?? NOBODY, () => NOBODY)
}

/** See react.d.ts. */
export function useBroadcast(supabase, topic, handlers = {}, options) {
  const [name, make] = roomOf(supabase, topic, options)
  const latest = useRef(handlers)
  useEffect(() => { latest.current = handlers })
  const hear = useShared(supabase, name, make, (room) => room.listen((message) => {
    if (message) for (const event of [message.event, '*']) latest.current[event]?.(message.payload, message)
  }))
  useEffect(() => hear(), [hear])
  return useMethod(supabase, name, 'send')
}

const roomOf = (supabase, topic, { private: isPrivate, self } = {}) =>
  [topic && `room ${JSON.stringify([topic, isPrivate, self])}`, () => new Room(supabase, topic, { isPrivate, self })]
