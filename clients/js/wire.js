/** In ms: how often a quiet channel asks how far it is, so that its position does not grow old. Heartbeats are as frequent. */
const ASK_EVERY = 25_000

/** In ms: a server that does not answer by then does not know the event. */
const ANSWERS_WITHIN = 5_000

/** The reason with which a server refuses what is for a channel that it does not have. */
export const UNMATCHED = 'unmatched topic'

/**
 * What this module needs of a channel beyond its public calls. Only this file knows what differs between versions of
 * supabase-js. Newer ones keep a channel of @supabase/phoenix inside theirs; with realtime-js 2.10 and 2.11 they are one.
 *
 * Until it is closed it calls, of what `to` has: resume(payload) before each join, with the payload that the client would send, and the token
 * that it has by then, for from where the bindings go on; joined(response) or refused(response); token(token) for each that the client gives
 * the channel later; event(event, payload, pass) for each event, which the channel's handlers get when it calls pass; and reached(response) or
 * unanswered() after askPosition, which a channel on which nothing happens does again from time to time.
 */
export function wireOf(channel, to) {
  const inner = channel.channelAdapter?.getChannel?.() ?? channel
  const [trigger, push] = ['trigger', 'push'].map((name) => (name in inner ? name : `_${name}`))
  const join = channel.joinPush
  if (![inner[trigger], inner[push], join?.send].every((f) => typeof f === 'function')) {
    throw new TypeError('walcast: not a channel of a supabase-js that is known')
  }
  const { [trigger]: deliver, [push]: send } = inner
  const sendJoin = join.send
  let isOpen = true
  let timer
  const tells = (name) => (...args) => { if (isOpen) to[name]?.(...args) }

  join.send = () => {
    const isFunction = typeof join.payload === 'function'
    const before = isFunction ? join.payload() : join.payload
    const payload = isOpen ? goingOn(before, to.resume(before)) : before
    join.payload = isFunction ? () => payload : payload
    join.destroy?.() // old clients send it without a ref, so that no answer is theirs, while one before it waits for its own
    sendJoin.call(join)
  }
  join.receive('ok', tells('joined')).receive('error', tells('refused'))

  const { _rejoin: rejoin } = inner // of old clients: while it waits for an answer it would leave itself, as if it were another channel of the topic
  if (rejoin) {
    inner._rejoin = (...args) => { if (channel.state !== 'joining') rejoin.apply(inner, args) }
    join.receive('error', () => { // some would wait on
      channel.state = 'errored'
      channel.rejoinTimer.scheduleTimeout()
    })
  }

  inner[push] = (event, payload, ...rest) => {
    if (event === 'access_token') tells('token')(payload.access_token)
    return send.call(inner, event, payload, ...rest)
  }

  inner[trigger] = (event, payload, ...rest) => {
    const pass = () => deliver.call(inner, event, payload, ...rest)
    if (isOpen) to.event(event, payload, pass)
    else pass()
  }

  const wire = {
    /**
     * Sends an event; returns the push, whose receive takes 'ok', 'error' or 'timeout', after ms, and whose ref names it. A channel that the
     * server does not have joins again.
     */
    ask: (event, payload, ms) => inner[push](event, payload, ms).receive('error', ({ reason }) => {
      if (reason === UNMATCHED && channel.state === 'joined') inner[trigger]('phx_error')
    }),

    /** Asks up to where all was sent. Where the channel is not joined, the next join is to ask. */
    askPosition() {
      if (!isOpen || channel.state !== 'joined') return
      wire.askLater()
      wire.ask('position', {}, ANSWERS_WITHIN).receive('ok', tells('reached')).receive('timeout', tells('unanswered'))
    },

    askLater() {
      clearTimeout(timer)
      timer = setTimeout(wire.askPosition, ASK_EVERY)
      timer.unref?.() // a program may end meanwhile
    },

    close() { isOpen = false },
  }
  return wire
}

/** The payload of a join whose bindings go on from somewhere. */
function goingOn(payload, resume) {
  const bindings = payload.config?.postgres_changes
  if (!bindings?.length) return payload
  return { ...payload, config: { ...payload.config, postgres_changes: bindings.map((binding) => ({ ...binding, resume })) } }
}

/** Who a token is for, as a text: all that it claims but when it was made and until when it holds. */
export function subjectOf(token) {
  try {
    const { exp, iat, nbf, jti, ...claims } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
    return JSON.stringify(claims)
  } catch {
    return '' // a key
  }
}
