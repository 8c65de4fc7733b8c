// Which files of npm's packages the page of examples/todos has. Run, it takes them from node_modules.
import { copyFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Paths in node_modules, by the names in the page's folder modules. */
export const taken = {
  'react.js': 'react/cjs/react.production.js',
  'react-dom.js': 'react-dom/cjs/react-dom.production.js',
  'react-dom-client.js': 'react-dom/cjs/react-dom-client.production.js',
  'scheduler.js': 'scheduler/cjs/scheduler.production.js',
  'supabase.js': '@supabase/supabase-js/dist/umd/supabase.js',
  'LICENSE-react': 'react/LICENSE', // of react-dom and scheduler too
  'LICENSE-supabase-js': '@supabase/supabase-js/LICENSE',
  'LICENSE-phoenix': '@supabase/phoenix/LICENSE.md', // is in supabase.js, as the two below are
  'LICENSE-iceberg-js': 'iceberg-js/LICENSE',
  'LICENSE-tslib': 'tslib/LICENSE.txt',
}

export const here = new URL('../../../examples/todos/modules/', import.meta.url)
export const there = new URL('../node_modules/', import.meta.url)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, path] of Object.entries(taken)) await copyFile(new URL(path, there), new URL(name, here))
}
