// A walcast process of a test's own: it has its slot and publication, so tests can run side by side.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { database } from './database.mjs'
import { SECRET } from './tokens.mjs'
import { until } from './until.mjs'

const BINARY = process.env.WALCAST_BIN ?? new URL('../../../bin/walcast', import.meta.url).pathname

/** A port at which nobody listens, and which the system gives to no connection that goes out: those have larger numbers. */
async function freePort() {
  for (let tries = 20; ; tries--) {
    const server = net.createServer().listen(12_000 + Math.floor(18_000 * Math.random()))
    try {
      await once(server, 'listening')
    } catch (error) {
      if (tries > 0) continue
      throw error
    }
    const { port } = server.address()
    server.close()
    await once(server, 'close')
    return port
  }
}

export class Server {
  constructor(name, flags, env, databaseURL) {
    this.name = name
    this.flags = flags
    this.env = env
    this.databaseURL = databaseURL
    this.log = ''
  }

  /** Starts the process and waits until it streams, or only until it answers. */
  async start({ streams = true } = {}) {
    const { flags = this.settings(), env } = this.environment?.(this) ?? { env: this.env }
    this.process = spawn(BINARY, ['serve', '--state-dir', this.state, ...flags], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => { this.log += text })
    await until(async () => {
      if (this.process.exitCode !== null) throw new Error(`walcast ended with ${this.process.exitCode}:\n${this.log}`)
      const answer = await fetch(`${this.url}/readyz`).catch(() => null)
      return streams ? answer?.status === 200 : answer
    }, `walcast to be ready:\n${this.log}`)
  }

  settings() {
    return [
      '--database-url', this.databaseURL, '--listen', `127.0.0.1:${this.port}`, '--jwt-secret', SECRET, '--slot', this.name, '--publication', this.name, ...this.flags,
    ]
  }

  get url() { return `http://127.0.0.1:${this.port}` }
  get socket() { return `ws://127.0.0.1:${this.port}/realtime/v1` }

  /** Ends the process; resolves with its exit code, or the signal that ended it. */
  async end(signal = 'SIGTERM') {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode
    this.process.kill(signal)
    const [code, by] = await once(this.process, 'exit')
    return code ?? by
  }
}

let count = 0

/**
 * Starts a server for a test (t), which publishes the given tables; both go when the test ends. environment makes
 * flags and variables of the server, in place of the usual flags.
 */
export async function serve(t, { tables = [], flags = [], env = {}, environment, databaseURL = process.env.E2E_DATABASE_URL } = {}) {
  const name = `e2e_${process.pid}_${++count}`
  const slots = [name, `walcast_${name}`] // the second one is by SLOT_NAME_SUFFIX
  await database.query(`create publication ${name} ${tables.length ? `for table ${tables.join(', ')}` : ''}`)
  const server = new Server(name, flags, env, databaseURL)
  server.environment = environment
  server.state = await mkdtemp(join(tmpdir(), 'walcast-e2e-'))
  server.port = await freePort()
  t.after(async () => {
    await server.end('SIGKILL')
    await rm(server.state, { recursive: true })
    await until(async () => {
      const { rows } = await database.query(`select active from pg_replication_slots where slot_name = any ($1)`, [slots])
      return !rows.some((r) => r.active)
    }, 'the slot to be free')
    await database.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = any ($1)`, [slots])
    await database.query(`drop publication ${name}`)
  })
  await server.start()
  return server
}
