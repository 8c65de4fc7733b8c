// Tables of numbers, whose inserts tell at a glance what was missed or came twice.
import { database } from './database.mjs'

export const insert = (numbered, ...ids) => database.query(`insert into ${numbered} select unnest($1::int[])`, [ids])
export const upTo = (n, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i)

/** Inserts numbers one by one, from `from` on, until stopped; stop resolves with the last one. */
export function writer(numbered, from = 1) {
  let last = from - 1
  let writing = true
  const done = (async () => {
    while (writing) await insert(numbered, ++last)
  })()
  return {
    get last() { return last },
    async stop() {
      writing = false
      await done
      return last
    },
  }
}
