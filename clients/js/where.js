// What a query of TanStack DB asks for, as filter and order of a live table. A filter may let more rows through than the query wants,
// which looks at them again, but never fewer: what Postgres may see otherwise than JavaScript is undefined. No clock, no I/O.

import { quoted } from './order.js'

const OPERATORS = ['eq', 'gt', 'gte', 'lt', 'lte', 'like', 'ilike']

/** Text that is sorted in the same way by both; other text is sorted by the database's collation. */
const TIME = /^\d{4}-\d\d-\d\d/

/** The types that are sorted in the same way by both. Some numbers may come as text. */
export const sortable = (int8) => (type) => (int8 === 'string' ? /^(int[24]|float[48]|bool|date|timestamp.*)$/ : /^(int.|numeric|float.|bool|date|timestamp.*)$/).test(type)

const ASCII = /^[ -[\]-~]*$/ // and without a backslash, which means something else in a pattern
const MOST = 100 // elements of an in

/** The filter of a where; undefined if it cannot be said, '' for none. */
export function filterOf(where) {
  if (!where) return ''
  const condition = conditionOf(where)
  return condition && `and=(${condition})`
}

/** The order of an orderBy; undefined if it cannot be said. */
export function orderOf(orderBy) {
  const terms = orderBy.map(({ expression, compareOptions: { direction, nulls } }) =>
    columnOf(expression) && `${quoted(columnOf(expression))}.${direction}.nulls${nulls}`)
  return terms.includes(undefined) ? undefined : terms.join()
}

/** A condition as it stands in a group. */
function conditionOf(where) {
  if (where.type !== 'func') return undefined
  const { name, args } = where
  if (['and', 'or', 'not'].includes(name)) {
    const conditions = args.map(conditionOf)
    return conditions.includes(undefined) ? undefined : `${name === 'not' ? 'not.and' : name}(${conditions.join()})`
  }
  const column = columnOf(args[0])
  const comparison = comparisonOf(name, args[1])
  return column === undefined || comparison === undefined ? undefined : `${quoted(column)}.${comparison}`
}

/** What is said of a column: an operator and what it compares with. */
function comparisonOf(name, operand) {
  if (name === 'isNull') return 'is.null'
  if (operand?.type !== 'val') return undefined
  const { value } = operand
  if (name === 'in') {
    const elements = Array.isArray(value) && value.length <= MOST ? value.map((each) => textOf('eq', each)) : [undefined]
    return elements.includes(undefined) ? undefined : `in.(${elements.join()})`
  }
  const text = OPERATORS.includes(name) ? textOf(name, value) : undefined
  return text === undefined ? undefined : `${name}.${text}`
}

function textOf(operator, value) {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : quoted(value.toISOString())
  if (typeof value === 'number') return Number.isFinite(value) ? quoted(value) : undefined
  if (typeof value === 'bigint' || typeof value === 'boolean') return quoted(value)
  if (typeof value !== 'string' || value.includes('\0')) return undefined
  if (operator.includes('like')) return ASCII.test(value) ? quoted(value) : undefined
  return operator === 'eq' || TIME.test(value) ? quoted(value) : undefined
}

const columnOf = (expression) =>
  expression?.type === 'ref' && expression.path.length === 1 && !expression.path[0].includes('->') ? expression.path[0] : undefined
