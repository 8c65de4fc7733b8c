/**
 * What this module needs of a channel beyond its public calls. Only this file knows what differs between versions of
 * supabase-js. Newer ones keep a channel of @supabase/phoenix inside theirs; with realtime-js 2.10 and 2.11 they are one.
 */
export function wireOf(channel) {
  const inner = channel.channelAdapter?.getChannel?.() ?? channel
  const [trigger, push] = ['trigger', 'push'].map((name) => (name in inner ? name : `_${name}`))
  const join = channel.joinPush
  if (![inner[trigger], inner[push], join?.send].every((f) => typeof f === 'function')) {
    throw new TypeError('walcast: not a channel of a supabase-js that is known')
  }
  return {
    get state() { return channel.state },

    /** Has change make the payload of each join of the one that the client would send, with the token that it has by then. */
    beforeJoin(change) {
      const send = join.send
      join.send = () => {
        const isFunction = typeof join.payload === 'function'
        const payload = change(isFunction ? join.payload() : join.payload)
        join.payload = isFunction ? () => payload : payload
        send.call(join)
      }
    },

    /** Calls f with the response to each join. */
    onJoined(f) { join.receive('ok', f) },

    /** Calls f with why, for each join that is refused. */
    onRefused(f) { join.receive('error', f) },

    /** Calls f with each new token that the client gives the channel after its join. */
    onToken(f) {
      const send = inner[push]
      inner[push] = (event, payload, ...rest) => {
        if (event === 'access_token') f(payload.access_token)
        return send.call(inner, event, payload, ...rest)
      }
    },

    /** Has f see every event before the channel's handlers do, which get it when f calls pass. */
    intercept(f) {
      const deliver = inner[trigger]
      inner[trigger] = (event, payload, ...rest) => f(event, payload, () => deliver.call(inner, event, payload, ...rest))
    },

    /** Sends an event; returns the push, whose receive takes 'ok', 'error' or 'timeout', after ms, and whose ref names it. */
    ask: (event, payload, ms) => inner[push](event, payload, ms),
  }
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
