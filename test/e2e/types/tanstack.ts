// Not run, only type-checked, by types.test.mjs: collections of TanStack DB as apps use them.
import { createClient } from '@supabase/supabase-js'
import { createCollection, createLiveQueryCollection, eq } from '@tanstack/db'
import { walcastCollectionOptions } from '../../../clients/js/tanstack.js'

interface Todo { id: number; title: string }

const supabase = createClient('http://localhost:4000', 'key')

export const todos = createCollection(walcastCollectionOptions<Todo, number>({
  supabase, table: 'todos', schema: 'public', filter: 'list=eq.7', int8: 'string', storage: localStorage, id: 'todos', startSync: true, syncMode: 'on-demand',
  getKey: (todo) => todo.id,
  onInsert: async ({ transaction }) => {
    const { title } = transaction.mutations[0].modified
    const { data } = await supabase.rpc('add_todo', { title })
    return { xid: data as string }
  },
  onUpdate: async ({ transaction: { mutations } }) => ({ xid: mutations.map(({ key }) => Number(key)) }),
  onDelete: async ({ transaction: { mutations: [{ original }] } }) => { console.log(original.title) },
}))

const todo: Todo | undefined = todos.get(7)
await todos.utils.caughtUp('7')
todos.insert({ id: 1, title: String(todo) })
export const mine = createLiveQueryCollection((q) => q.from({ todo: todos }).where(({ todo }) => eq(todo.title, 'mine')))
const titles: string[] = mine.toArray.map(({ title }) => title)
console.log(titles)

// @ts-expect-error which rows are which
walcastCollectionOptions<Todo, number>({ supabase, table: 'todos' })
// @ts-expect-error no column of the table
todos.get(7)?.colour
