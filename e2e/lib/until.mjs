/** Waits until condition() is truthy and returns its value; fails with what was waited for. */
export async function until(condition, what, limit = 30_000) {
  const end = Date.now() + limit
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`)
    await new Promise((wake) => setTimeout(wake, 10))
  }
}
