// Tokens as an app's auth server would sign them.
import { createHmac } from 'node:crypto'

export const SECRET = 'a-secret-for-tests-with-at-least-32-characters'

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export function token(claims = {}, { secret = SECRET, alg = 'HS256', ttl = 3600 } = {}) {
  const now = Math.floor(Date.now() / 1000)
  const head = `${encode({ alg, typ: 'JWT' })}.${encode({ role: 'anon', iat: now, exp: now + ttl, ...claims })}`
  return `${head}.${alg === 'none' ? '' : createHmac('sha256', secret).update(head).digest('base64url')}`
}

export const anon = token()
export const user = (sub) => token({ role: 'authenticated', sub })
