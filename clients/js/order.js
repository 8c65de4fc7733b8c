// By what rows are sorted, as Postgres does it. No clock, no I/O.

const TERM = / *(?:"((?:[^"\\]|\\.)*)"|([^".,()]+?)) *(?:\.(asc|desc))?(?:\.nulls(first|last))? *(?:,|$)/gy
const TIME = /^(\d+)(.*?)( BC)?$/

/** The terms of an order such as created_at.desc,id.asc; none of what cannot be read, which the server says. */
export function parseOrder(text = '') {
  return [...text.matchAll(TERM)].map(([, quoted, bare, direction, nulls]) => {
    const [column, ...path] = (quoted?.replace(/\\(.)/g, '$1') ?? bare).split('->') // of ->> a > stays
    const isDescending = direction === 'desc'
    return { column, path, isDescending, nullsFirst: nulls ? nulls === 'first' : isDescending }
  })
}

/** What compares two rows by an order, whose terms sort as snapshot_begin says, then by the columns of key. Without terms all rows are equal. */
export function comparator(terms, sorts, key) {
  if (terms.length === 0) return () => 0
  const all = [...terms.map((term, i) => ({ ...term, sorter: sorterOf(sorts[i]) })), ...key.map((column) => ({ column, path: [], sorter: byAny }))]
  return (a, b) => {
    for (const { column, path, sorter, isDescending, nullsFirst } of all) {
      const [x, y] = [a, b].map((row) => path.reduce(follow, row[column] ?? undefined))
      const isNull = [x, y].map((value) => value === undefined)
      const difference = isNull[0] || isNull[1] ? (isNull[0] - isNull[1]) * (nullsFirst ? -1 : 1) : sorter(x, y) * (isDescending ? -1 : 1)
      if (difference !== 0) return difference
    }
    return 0
  }
}

/** What a step of a JSON path finds. The null of JSON is a value, but not as text. */
function follow(value, step) {
  const name = step.replace(/^>/, '')
  const found = /^-?\d+$/.test(name) ? (Array.isArray(value) ? value.at(name) : undefined) : kindOf(value) === 'object' && Object.hasOwn(value, name) ? value[name] : undefined
  return name === step ? found : found === null || found === undefined || typeof found === 'string' ? found ?? undefined : JSON.stringify(found)
}

/** What compares two values that sort as the server says; undefined if only Postgres can. */
export function sorterOf({ type, labels, collation } = {}) {
  if (labels) return (a, b) => labels.indexOf(a) - labels.indexOf(b)
  if (/^(int[248]|oid|float[48]|numeric|bool)$/.test(type)) return byNumber
  if (/^(date|timestamp|timestamptz)$/.test(type)) return byTime
  if (/^(uuid|bytea|time|macaddr8?|bit|varbit)$/.test(type)) return byCode
  const texts = collation && textsBy(collation.locale)
  if (!texts || /^(text|varchar|name)$/.test(type)) return texts
  if (type === 'citext') return (a, b) => texts(a.toLowerCase(), b.toLowerCase())
  if (type === 'bpchar') return (a, b) => texts(a.replace(/ +$/, ''), b.replace(/ +$/, ''))
  if (type === 'jsonb') return byJSON(texts)
}

/** The order of code points, which is that of UTF-8. */
function byCode(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = a.codePointAt(i) - b.codePointAt(i)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Numbers, of which those that a double may not hold are texts. NaN is above all others. */
function byNumber(a, b) {
  const [x, y] = [Number(a), Number(b)]
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y)
  if (x !== y) return x < y ? -1 : 1
  if (![a, b].every((each) => typeof each === 'string' && /^-?\d/.test(each))) return 0
  const parts = [a, b].map((text) => [...text.split('.'), ''])
  const scale = Math.max(...parts.map(([, fraction]) => fraction.length))
  const [m, n] = parts.map(([whole, fraction]) => BigInt(whole + fraction.padEnd(scale, '0')))
  return m < n ? -1 : m > n ? 1 : 0
}

/** Dates and times by year, which may have more than four digits or be BC, then by the rest. The infinities have none. */
function byTime(a, b) {
  const [x, y] = [a, b].map((text) => {
    const [, year, rest, isBC] = TIME.exec(text) ?? [undefined, `${text[0] === '-' ? '-' : ''}Infinity`, '']
    return { year: isBC ? -year : Number(year), rest }
  })
  return x.year === y.year ? byCode(x.rest, y.rest) : x.year - y.year
}

/** Values of jsonb by kind. Lists and objects are sorted by how many elements they have, then as text. */
const byJSON = (texts) => (a, b) => {
  const KINDS = ['null', 'string', 'number', 'boolean', 'list', 'object']
  const kind = kindOf(a)
  if (kind !== kindOf(b)) return KINDS.indexOf(kind) - KINDS.indexOf(kindOf(b))
  if (kind === 'string') return texts(a, b)
  return kind === 'list' || kind === 'object' ? Object.keys(a).length - Object.keys(b).length || byAny(a, b) : byNumber(a, b)
}

const kindOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value)

const byAny = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : byCode(JSON.stringify(a), JSON.stringify(b)))

/** What compares texts by a locale, near enough to how the database does it; undefined if that cannot be known. */
function textsBy(locale) {
  if (locale === 'C') return byCode
  try {
    const { compare } = new Intl.Collator(locale || undefined)
    return locale ? (a, b) => compare(a, b) || byCode(a, b) : undefined
  } catch {} // no language tag
}

export const quoted = (text) => `"${String(text).replace(/[\\"]/g, '\\$&')}"`

/** The filter of rows up to the one with a value, and of those that equal it, in one term of the order; '' where that cannot be said. */
export function horizonOf({ column, path, isDescending, nullsFirst }, { type, collation }, value) {
  const isPlain = path.length === 0 && !/^(bytea|jsonb)$/.test(type) && collation?.default !== false // by which filters compare
  if (!isPlain || value === undefined || (value === null && !nullsFirst)) return ''
  const name = quoted(column)
  const known = value === null ? [] : [`${name}.${isDescending ? 'gte' : 'lte'}.${quoted(value)}`]
  return `or=(${[...known, ...(nullsFirst ? [`${name}.is.null`] : [])].join()})`
}
