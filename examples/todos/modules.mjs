// Modules of npm for a browser, without a bundler: those that are CommonJS, as React is, are wrapped as they are read.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

/**
 * The text of a CommonJS module as one of a browser; url gives the address at which another is. resolve may say that a name means another
 * module. What only production has is left out.
 */
export async function asModule(path, url, resolve = (name, from) => createRequire(from).resolve(name)) {
  const text = await readFile(path, 'utf8')
  const required = [...new Set([...text.matchAll(/require\(['"]([^'"]+)['"]\)/g)].map(([, name]) => name))].filter((name) => !name.includes('production'))
  const imports = required.map((name, i) => `import $${i} from ${JSON.stringify(url(resolve(name, path)))}`)
  const modules = required.map((name, i) => `${JSON.stringify(name)}: $${i}`)
  return `${imports.join('\n')}
const module = { exports: {} }
const modules = { ${modules} }
;((module, exports, require, process) => {${text}
})(module, module.exports, (name) => modules[name], { env: { NODE_ENV: 'development' } })
export default module.exports
${namesOf(path).map((name) => `export const ${name} = module.exports.${name}`).join('\n')}`
}

/** What React exports by name. */
function namesOf(path) {
  if (/\/react-dom(-18)?\/client\.js$/.test(path)) return ['createRoot', 'hydrateRoot']
  return /\/react(-18)?\/index\.js$/.test(path) ? Object.keys(createRequire(path)(path)).filter((name) => /^[a-zA-Z]\w*$/.test(name)) : []
}
