import pg from 'pg'

export const database = new pg.Pool({ connectionString: process.env.E2E_DATABASE_URL, max: 4, allowExitOnIdle: true })

let count = 0

/** Makes a table for a test and returns its name; it goes when the test ends. */
export async function table(t, columns, ...after) {
  const name = `t_${process.pid}_${++count}`
  await database.query(`create table ${name} (${columns})`)
  await database.query(`grant all on ${name} to anon, authenticated, service_role`)
  for (const statement of after) await database.query(statement.replaceAll('TABLE', name))
  t.after(() => database.query(`drop table if exists ${name} cascade`))
  return name
}

/** Runs f with one connection inside a transaction, which it commits. */
export async function transaction(f) {
  const connection = await database.connect()
  try {
    await connection.query('begin')
    await f(connection)
    await connection.query('commit')
  } finally {
    connection.release()
  }
}
