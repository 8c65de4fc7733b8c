// An event stream read with fetch, block by block, as any program would.
import { anon } from './tokens.mjs'
import { until } from './until.mjs'

export const address = (server, params, key = anon) =>
  `${server.url}/realtime/v1/sse?${new URLSearchParams({ ...(key === null ? {} : { apikey: key }), ...params })}`

/** Splits a block into its fields; a comment is a field without a name. */
const parse = (block) => Object.fromEntries(block.split('\n').map((line) => {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}))

/** Opens a stream and collects its events. */
export async function stream(t, server, params, { key, headers = {} } = {}) {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const response = await fetch(address(server, params, key), { headers, signal: abort.signal })
  const opened = { response, events: [], id: headers['Last-Event-ID'], ended: false, close: () => abort.abort() }
  if (response.status !== 200) return Object.assign(opened, { body: await response.json() })
  opened.done = collect(response.body, opened).catch(() => {}).finally(() => { opened.ended = true })
  /** The events of a name, their data read. */
  opened.named = (name) => opened.events.filter((e) => e.event === name).map((e) => JSON.parse(e.data))
  opened.ids = () => opened.named('postgres_changes').map((p) => p.data.record.id)
  opened.until = (name, count = 1) => until(() => opened.named(name).length >= count && opened.named(name),
    () => `${count} ${name}, have ${JSON.stringify(opened.events)}`)
  return opened
}

async function collect(body, opened) {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop()
    for (const block of blocks.map(parse)) {
      opened.events.push(block)
      if (block.id) opened.id = block.id
    }
  }
}
