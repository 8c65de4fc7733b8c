import { keeperIn } from './keeper.js'
import { Place, written } from './place.js'
import { wireOf } from './wire.js'

const RESYNC = 'resync_required: '

const complain = ({ reason }) => console.error(`resumable: row changes were missed, and there is no onResync to fetch them: ${reason}`)

/** See resumable.d.ts. */
export function resumable(channel, { onResync = complain, storage, key = `walcast:${channel.topic}` } = {}) {
  if (typeof onResync !== 'function') throw new TypeError('resumable: onResync is to be a function')
  if (channel.joinedOnce) throw new Error('resumable: to be called before subscribe')
  const keeper = keeperIn(storage, key)
  const place = new Place(keeper.read())
  const keep = () => { if (place.resume) keeper.keep(() => written(place.resume)) }
  let turns = 0

  /** Until onResync has come to a good end the channel names its old position, and is told again when it joins. */
  const resync = async ({ message, code, from, oldest, position, history }) => {
    const turn = ++turns
    place.misses(position, history)
    try {
      await onResync({ reason: message.slice(RESYNC.length), code, from, oldest, position })
    } catch (error) {
      return console.error('resumable: onResync failed, it is called again with the next join', error)
    }
    if (turn !== turns) return // told again meanwhile
    place.fetched()
    keep()
  }

  const wire = wireOf(channel, {
    /** Without a position the bindings ask for the history alone. */
    resume: () => place.joins() ?? {},

    joined({ position, history, postgres_changes: bindings }) {
      if (!bindings?.length) return
      place.joined(position, bindings.map((b) => b.id), history)
      keep()
      wire.askLater()
    },

    /** The position moves on when the handlers have had the change, also if one of them throws. */
    event(event, payload, pass) {
      const { ids, data, message } = payload ?? {}
      const isOurs = event === 'postgres_changes' && data?.lsn !== undefined
      if (isOurs && !place.takes(`${data.lsn}:${data.seq}`, ids)) return
      try {
        pass()
      } finally {
        if (isOurs) keep()
      }
      if (event === 'system' && message?.startsWith(RESYNC)) resync(payload)
      if (channel.state === 'closed') keeper.flush()
    },

    reached({ position, history }) {
      if (position !== undefined) place.reaches(position, history)
      keep()
    },
  })
  return channel
}
