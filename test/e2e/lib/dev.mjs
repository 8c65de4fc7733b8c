// Programs as a user starts them.
import { spawn } from 'node:child_process'

const BINARY = process.env.WALCAST_BIN ?? new URL('../../../bin/walcast', import.meta.url).pathname

/** Starts a program, by default walcast, whose output is collected as its text; it ends with the test. */
export function program(t, path = BINARY, args = []) {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { child.text += text })
  t.after(() => child.kill('SIGKILL'))
  return child
}
