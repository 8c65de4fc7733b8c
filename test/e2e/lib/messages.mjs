// What tests of messages, presence and private channels share. Import own-database.mjs before it.
import { database } from './database.mjs'
import { connect, subscribed } from './clients.mjs'
import { serve } from './server.mjs'

/** Starts a server with the schema realtime, in its own database. */
export const serveMessages = (t, options = {}) => serve(t, { ...options, flags: ['--migrate', ...(options.flags ?? [])] })

let count = 0

/** Makes a policy on realtime.messages for a test; it goes when the test ends. */
export async function policy(t, command, condition) {
  const name = `p_${process.pid}_${++count}`
  const clause = command === 'insert' ? 'with check' : 'using'
  await database.query(`create policy ${name} on realtime.messages for ${command} to authenticated ${clause} (${condition})`)
  const drop = () => database.query(`drop policy if exists ${name} on realtime.messages`)
  t.after(drop)
  return drop
}

/** Lets everybody with a token of role authenticated read and write a private topic. */
export async function open(t, topic) {
  await policy(t, 'select', `realtime.topic() = '${topic}'`)
  await policy(t, 'insert', `realtime.topic() = '${topic}'`)
}

/** Joins a topic with a new client and collects its broadcasts. */
export async function member(t, server, topic, { kind, key, client = connect(t, server, { kind, key }), config = {}, event = '*' } = {}) {
  const heard = []
  const channel = client.channel(topic, { config })
  channel.on('broadcast', { event }, (message) => heard.push(message))
  await subscribed(channel)
  return { client, channel, heard }
}
