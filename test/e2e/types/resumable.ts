// Not run, only type-checked, by types.test.mjs: the client module as apps use it.
import { createClient, type RealtimeChannel } from '@supabase/supabase-js'
import { RealtimeClient as Realtime210 } from 'realtime-js-2.10'
import { RealtimeClient as Realtime211 } from 'realtime-js-2.11'
import { resumable, type Resync, type ResumableOptions } from '../../../clients/js/index.js'

interface Todo { id: number; title: string }

const client = createClient('http://localhost:4000', 'key')
const todos: Todo[] = []

const channel = resumable(client.channel('todos'), {
  onResync: async ({ reason, code, from, oldest, position }) => {
    const words: string[] = [reason, code, position]
    const maybe: (string | null)[] = [from, oldest]
    console.log(words, maybe)
    const { data } = await client.from('todos').select()
    todos.splice(0, Infinity, ...(data ?? []))
  },
  storage: sessionStorage,
  key: 'todos',
})
  .on<Todo>('postgres_changes', { event: 'INSERT', schema: 'public', table: 'todos' }, (change) => { todos.push(change.new) })
  .subscribe((status, error) => console.log(status, error?.message))

export const same: RealtimeChannel = channel

const options: ResumableOptions = { onResync: (resync: Resync) => console.log(resync.position) }
resumable(new Realtime210('ws://localhost:4000/realtime/v1').channel('todos'), options).subscribe()
resumable(new Realtime211('ws://localhost:4000/realtime/v1').channel('todos'), options).subscribe()

resumable(client.channel('todos'))
// @ts-expect-error a function
resumable(client.channel('todos'), { onResync: 'later' })
// @ts-expect-error a storage has setItem too
resumable(client.channel('todos'), { onResync() {}, storage: { getItem: () => null } })
// @ts-expect-error not a channel
resumable(client, options)
