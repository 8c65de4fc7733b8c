import type { LiveClient, LiveError, LiveStatus, LiveTable, LiveTableOptions } from './live.js'

export interface LiveState<Row extends object = Record<string, any>> {
  readonly rows: readonly Row[]
  readonly status: LiveStatus
  readonly error: LiveError | null
  readonly caughtUp: LiveTable<Row>['caughtUp']
}

/**
 * A live table for as long as the component is mounted. Components with equal options share one. Without options (null) there are no
 * rows, and the status is loading.
 */
export function useLiveTable<Row extends object = Record<string, any>>(supabase: LiveClient, options: LiveTableOptions | null | undefined): LiveState<Row>

export interface RoomOptions {
  /** A private channel, whose policies say who may. */ private?: boolean
  /** Own broadcasts come too. */ self?: boolean
}

/**
 * Who is present on a topic: what each has tracked, by key. self is who is to be seen from here, under key (a random one by default),
 * for as long as the component is mounted; without self it only looks. The topic's channel belongs to these hooks: the app makes none of its own.
 */
export function usePresence<Meta extends object = Record<string, any>>(
  supabase: LiveClient, topic: string | null | undefined, self?: { key?: string; meta?: Meta } | null, options?: RoomOptions,
): Record<string, (Meta & { presence_ref: string })[]>

/** The handlers of a topic's broadcasts, by event; `*` is for all. They may be other functions at each render. Returns what sends one. */
export function useBroadcast(
  supabase: LiveClient, topic: string | null | undefined,
  handlers?: Record<string, (payload: any, message: { event: string; payload?: any; meta?: object }) => void>, options?: RoomOptions,
): (event: string, payload?: object) => Promise<string>
