/** Why row changes are missing, and from where on none are. */
export interface Resync {
  /** For people. */ reason: string
  /** For programs, such as `position_too_old`. */ code: string
  /** The position that the channel wanted to go on from; null if it had none. */ from: string | null
  /** The oldest position that it could have gone on from. */ oldest: string | null
  /** Everything that commits after this is delivered. */ position: string
}

export interface ResumableOptions {
  /**
   * Fetches anew what the channel shows. It is called when changes were missed that cannot be delivered any more. Changes
   * go on meanwhile, so a row may come by both ways. If it throws or rejects, it is called again after the next reconnect.
   * Without it the loss is only written to the console.
   */
  onResync?: (resync: Resync) => void | PromiseLike<void>
  /**
   * Keeps the position over a reload of the page, as localStorage and sessionStorage do. It is written at most once a
   * second, and when the page goes away. Default: the position is kept in memory.
   */
  storage?: { getItem(key: string): string | null; setItem(key: string, value: string): void }
  /** The item's name in the storage. Default: `walcast:` and the channel's topic. */
  key?: string
}

/** What is needed of a channel: one of supabase-js 2.45 or later. */
export interface ResumableChannel {
  readonly topic: string
  subscribe(...args: never[]): unknown
}

/**
 * Has a channel's row changes go on where they were after every reconnect: each is delivered once, in commit order, or
 * onResync is called. To be called before `subscribe`. It returns the channel that it was given.
 */
export function resumable<Channel extends ResumableChannel>(channel: Channel, options?: ResumableOptions): Channel
