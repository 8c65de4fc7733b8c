/** Waits until condition() is truthy and returns its value; fails with what was waited for, a text or a function that says it. */
export async function until(condition, what, limit = 30_000) {
  const end = Date.now() + limit
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${typeof what === 'function' ? what() : what}`)
    await new Promise((wake) => setTimeout(wake, 10))
  }
}

/** Settles as promise does; fails with what was waited for when that takes too long. */
export async function within(promise, what, limit = 60_000) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited ${limit} ms for ${what()}`)), limit) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
