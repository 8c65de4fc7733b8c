import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('the types of the client module fit those of supabase-js and realtime-js', () => {
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'types'], { cwd: new URL('.', import.meta.url), encoding: 'utf8' })
  assert.deepEqual({ said: tsc.stdout + tsc.stderr, status: tsc.status }, { said: '', status: 0 })
})
