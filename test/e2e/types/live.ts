// Not run, only type-checked, by types.test.mjs: live tables as apps use them.
import { createClient } from '@supabase/supabase-js'
import { RealtimeClient as Realtime210 } from 'realtime-js-2.10'
import { createClient as supabase39 } from 'supabase-js-2.39'
import { liveTable, type LiveStatus, type LiveTable, type LiveTableOptions } from '../../../clients/js/index.js'

interface Todo { id: number; title: string }

const supabase = createClient('http://localhost:4000', 'key')
const todos: LiveTable<Todo> = liveTable<Todo>(supabase, {
  table: 'todos', schema: 'public', filter: 'list=eq.7', select: ['id', 'title'], order: 'id.desc', limit: 50, int8: 'string', storage: localStorage,
})

const end: () => void = todos.subscribe(() => {
  const status: LiveStatus = todos.status
  const titles: string[] = todos.rows.map(({ title }) => title)
  const { rows: [first] } = todos.state
  console.log(first?.title, status, titles, todos.error?.code, todos.error?.fix, todos.error?.message)
})
todos.subscribe((changes) => {
  for (const [before, after] of changes) console.log(before?.title, after?.title)
})
const waits: Promise<void>[] = [todos.caughtUp(), todos.caughtUp(7), todos.caughtUp('7'), todos.caughtUp(7n)]
await Promise.all(waits)
end()
todos.close()

const any = liveTable(supabase, { table: 'todos' }).rows[0]?.whatever
console.log(any)
liveTable(new Realtime210('ws://localhost:4000/realtime/v1'), { table: 'todos' })
liveTable(supabase39('http://localhost:4000', 'key'), { table: 'todos' })

// @ts-expect-error which table
liveTable(supabase, {})
// @ts-expect-error rows are not to be written to
todos.rows.push({ id: 1, title: '' })
// @ts-expect-error no column of the table
todos.rows[0]?.colour
// @ts-expect-error columns are a list
const options: LiveTableOptions = { table: 'todos', select: 'id' }
// @ts-expect-error not a client
liveTable(supabase.channel('todos'), options)
