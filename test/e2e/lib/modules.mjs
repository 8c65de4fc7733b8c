// Import this before parts of the client module that have peers, such as React: its folder has no node_modules of its own.
import { register } from 'node:module'

const resolve = (here) => `export const resolve = (name, context, next) =>
  next(name, context.parentURL?.includes('/clients/js/') && !name.startsWith('.') ? { ...context, parentURL: ${JSON.stringify(here)} } : context)`

register(`data:text/javascript,${encodeURIComponent(resolve(import.meta.url))}`)
