// Modules of npm for a browser, without a bundler: those that are CommonJS, as React is, are wrapped.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * Reads the modules of some names, and all that these require: their addresses by name, for an import map, and the texts by address. resolve
 * gives the path of what a module requires, by the module's own path, and of the names, without one. What only production has is left out.
 */
export function modulesOf(names, resolve) {
  const texts = new Map()
  const add = (path) => {
    const address = `/modules/${path.split('/node_modules/').at(-1)}`
    if (texts.has(address)) return address
    const text = readFileSync(path, 'utf8')
    texts.set(address, text)
    const required = [...new Set([...text.matchAll(/require\(['"]([^'"]+)['"]\)/g)].map(([, name]) => name))].filter((name) => !name.includes('production'))
    texts.set(address, asModule(text, required.map((name) => [name, add(resolve(name, path))]), namesOf(path)))
    return address
  }
  return { imports: Object.fromEntries(names.map((name) => [name, add(resolve(name))])), texts }
}

/** The text of a CommonJS module as one of a browser. required are the names that it requires, with their addresses. */
function asModule(text, required, exported) {
  return `${required.map(([, address], i) => `import $${i} from ${JSON.stringify(address)}`).join('\n')}
const module = { exports: {} }
const modules = { ${required.map(([name], i) => `${JSON.stringify(name)}: $${i}`)} }
;((module, exports, require, process) => {${text}
})(module, module.exports, (name) => modules[name], { env: { NODE_ENV: 'development' } })
export default module.exports
${exported.map((name) => `export const ${name} = module.exports.${name}`).join('\n')}`
}

/** What React exports by name. */
function namesOf(path) {
  if (/\/react-dom(-18)?\/client\.js$/.test(path)) return ['createRoot', 'hydrateRoot']
  return /\/react(-18)?\/index\.js$/.test(path) ? Object.keys(createRequire(path)(path)).filter((name) => /^[a-zA-Z]\w*$/.test(name)) : []
}
