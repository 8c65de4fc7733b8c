/** What is needed of a client: that of supabase-js 2.45 or later, or its realtime client. */
export interface LiveClient {
  channel(name: string): unknown
  removeChannel(channel: never): unknown
}

export interface LiveTableOptions {
  table: string
  /** Default: public. */ schema?: string
  /** Conditions such as `channel_id=eq.42,deleted_at=is.null`, which rows enter and leave. Default: all rows that the user may see. */
  filter?: string
  /** Columns. Those of the key and of the order come in any case. */
  select?: string[]
  /** As PostgREST has it: `created_at.desc,id.asc`. Without one, rows stand as they came. */
  order?: string
  /** At most so many rows, the first in the order, which costs not much more than these. Without an order all rows are read. */
  limit?: number
  /** int8 and numeric as strings, as JavaScript rounds them. A key of int8 above 2^53 needs it. */
  int8?: 'string'
  /** Keeps rows and position over a reload of the page, as localStorage and sessionStorage do. */
  storage?: { getItem(key: string): string | null; setItem(key: string, value: string): void }
}

/**
 * loading: there are no rows yet. live: the rows are right. stale: they were, and will be again, as after a lost connection.
 * closed: nothing more comes.
 */
export type LiveStatus = 'loading' | 'live' | 'stale' | 'closed'

/** What keeps the rows from being live, with the server's code, and the SQL that mends it where there is such. */
export interface LiveError extends Error {
  code?: string
  fix?: string
  cost?: string
}

/** A row before and after; undefined where it was, or is, not there. */
export type LiveChange<Row> = [before: Row | undefined, after: Row | undefined]

export interface LiveTable<Row extends object = Record<string, any>> {
  /** Another array after each change. A row is the same object as long as it is unchanged. Neither is to be written to. */
  readonly rows: readonly Row[]
  readonly status: LiveStatus
  readonly error: LiveError | null
  /** These three as one object, another after each change. */
  readonly state: { readonly rows: readonly Row[]; readonly status: LiveStatus; readonly error: LiveError | null }
  /**
   * Calls back once after each transaction that changes rows, and when status or error change; returns what ends that. The changes are
   * those of all rows that are held, which with a limit are more than those shown.
   */
  subscribe(listener: (changes: LiveChange<Row>[]) => void): () => void
  /**
   * Resolves when the rows have all that a transaction did, by its pg_current_xact_id(), or without one all that has been committed by now.
   * Over a lost connection it waits. It rejects when the table is closed, for an xid that no transaction has had, and with the error of
   * a table that these options, or this server, cannot have.
   */
  caughtUp(xid?: number | bigint | string): Promise<void>
  close(): void
}

/** A table, or the rows of it that match a filter, that is always as it is in the database after some transaction. */
export function liveTable<Row extends object = Record<string, any>>(supabase: LiveClient, options: LiveTableOptions): LiveTable<Row>
