import type {
  BaseCollectionConfig, CollectionConfig, DeleteMutationFnParams, InsertMutationFnParams, UpdateMutationFnParams, UtilsRecord,
} from '@tanstack/db'
import type { LiveClient, LiveTable, LiveTableOptions } from './live.js'

type Key = string | number
/** The transactions that a mutation has written, by their pg_current_xact_id(). */
type Xids = { xid: Key | bigint | (Key | bigint)[] } | void

export interface WalcastUtils extends UtilsRecord {
  /** Resolves when the collection has all that a transaction did, or without one all that has been committed by now. */
  caughtUp: LiveTable['caughtUp']
}

export interface WalcastCollectionConfig<T extends object, TKey extends Key>
  extends Omit<BaseCollectionConfig<T, TKey, never, WalcastUtils>, 'schema' | 'utils' | 'onInsert' | 'onUpdate' | 'onDelete'> {
  supabase: LiveClient
  table: string
  /** The table's schema. Default: public. */ schema?: string
  /** Conditions for all rows of the collection. */ filter?: string
  /** int8 and numeric as strings, as JavaScript rounds them. */ int8?: 'string'
  /** Keeps rows and position over a reload of the page: the collection is ready with the rows of before, and goes on from there. */
  storage?: LiveTableOptions['storage']
  /**
   * Write to the database. With the xid of what they wrote, a mutation is done when that has come back; without, its optimistic rows go
   * when the handler ends.
   */
  onInsert?: (params: InsertMutationFnParams<T, TKey, WalcastUtils>) => Promise<Xids>
  onUpdate?: (params: UpdateMutationFnParams<T, TKey, WalcastUtils>) => Promise<Xids>
  onDelete?: (params: DeleteMutationFnParams<T, TKey, WalcastUtils>) => Promise<Xids>
}

/** What createCollection of TanStack DB takes, for a collection that is a table, or the rows of it that match a filter. */
export function walcastCollectionOptions<T extends object = Record<string, any>, TKey extends Key = Key>(
  config: WalcastCollectionConfig<T, TKey>,
): CollectionConfig<T, TKey, never, WalcastUtils> & { utils: WalcastUtils; schema?: undefined }
