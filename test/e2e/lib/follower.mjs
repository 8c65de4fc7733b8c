// A client that knows nothing of resuming, but connects with a client_id: one line of configuration.
import { connect, soon, subscribed } from './clients.mjs'
import { proven } from './pongs.mjs'

/** Subscribes to the inserts of a table with a client_id and collects numbers and resyncs. */
export async function follow(t, server, numbered, { clientID = `tab-${process.pid}`, kind, key, topic = 'numbers' } = {}) {
  const follower = { ids: [], resyncs: [], joins: 0 }
  const client = connect(t, server, { kind, key, options: { params: { client_id: clientID }, ...soon(kind) } })
  if (key && client.realtime) await client.realtime.setAuth(key)
  follower.client = client
  follower.channel = client.channel(topic)
    .on('postgres_changes', { event: 'INSERT', schema: 'public', table: numbered }, (p) => follower.ids.push(p.new.id))
    .on('system', {}, (p) => {
      if (!p.message.startsWith('resync_required')) return
      follower.resyncs.push(p)
      follower.onResync?.()
    })
  follower.channel.joinPush.receive('ok', () => { follower.joins++ })
  await subscribed(follower.channel)
  follower.proven = () => proven(clientID, follower.channel)
  return follower
}
