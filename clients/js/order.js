// By what rows are sorted, as Postgres would do it. No clock, no I/O.

const TERM = / *(?:"((?:[^"\\]|\\.)*)"|([^".,()]+?)) *(?:\.(asc|desc))?(?:\.nulls(first|last))? *(?:,|$)/gy
const TEXT = /^(text|varchar|bpchar|name|citext)$/

const byCode = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const byLocale = new Intl.Collator('en').compare
const isNumber = (text) => /^-?\d+(\.\d+)?$/.test(text)
const byNumber = (a, b) => (isNumber(a) && isNumber(b) ? Number(a) - Number(b) || byCode(a, b) : byLocale(a, b))

/** The terms of an order such as created_at.desc,id.asc; none of what cannot be read, which the server says. */
export function parseOrder(text = '') {
  return [...text.matchAll(TERM)].map(([, quoted, bare, direction, nulls]) => {
    const [column, ...path] = (quoted?.replace(/\\(.)/g, '$1') ?? bare).split(/->>?/)
    const isDescending = direction === 'desc'
    return { column, path, isDescending, nullsFirst: nulls ? nulls === 'first' : isDescending }
  })
}

/**
 * What compares two rows by an order, then by the columns of key. How text is sorted is the database's business, and with int8: 'string'
 * what is said to be text may be numbers: it is the first way under which rows are sorted as they came from the server.
 */
export function comparator({ order, key, columns, int8 }, rows) {
  const types = new Map(columns.map(({ name, type }) => [name, type]))
  const by = (terms, texts) => (a, b) => {
    for (const { column, path, isDescending, nullsFirst } of terms) {
      const [x, y] = [a, b].map((row) => path.reduce((value, part) => value?.[part], row[column]) ?? null)
      if (x === null && y === null) continue
      if (x === null || y === null) return (x === null) === nullsFirst ? -1 : 1
      const difference = compare(x, y, TEXT.test(types.get(column)) ? texts : byCode)
      if (difference !== 0) return isDescending ? -difference : difference
    }
    return 0
  }
  const isSorted = (compare) => rows.every((row, i) => i === 0 || compare(rows[i - 1], row) <= 0)
  const texts = [...(int8 === 'string' ? [byNumber] : []), byLocale, byCode].find((texts) => isSorted(by(order, texts))) ?? byLocale
  return by([...order, ...key.map((column) => ({ column, path: [], isDescending: false, nullsFirst: false }))], texts)
}

/** Numbers are before NaN, which comes as a text, as the infinities do. */
function compare(a, b, texts) {
  if (typeof a === 'string' && typeof b === 'string') return texts(a, b)
  if (typeof a === 'object' || typeof b === 'object') return byCode(JSON.stringify(a), JSON.stringify(b))
  const [x, y] = [Number(a), Number(b)]
  return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : x - y || 0
}

export const quoted = (text) => `"${String(text).replace(/[\\"]/g, '\\$&')}"`

/**
 * The filter of rows up to the last of some that are sorted, and of those that equal it, in one term of the order; '' where that cannot be
 * said, or where text is not sortable: somebody else sorts it too, and otherwise than Postgres.
 */
export function horizonOf({ column, path, isDescending, nullsFirst }, { rows, columns }, sortable) {
  const value = rows.at(-1)[column]
  const name = quoted(column)
  const isPlain = path.length === 0 && columns.every((each) => each.name !== column || each.type !== 'bytea')
  if (!isPlain || value === undefined || (value === null && !nullsFirst) || (typeof value === 'object' && value !== null)) return ''
  if (sortable && rows.some((row) => typeof row[column] === 'string' && !sortable.test(row[column]))) return ''
  const known = value === null ? [] : [`${name}.${isDescending ? 'gte' : 'lte'}.${quoted(value)}`]
  return `or=(${[...known, ...(nullsFirst ? [`${name}.is.null`] : [])].join()})`
}
