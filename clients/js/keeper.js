const WRITE_EVERY = 1_000 // ms, at most

/** Keeps a text, such as a position and its history, in a storage, over a reload of the page. Without a storage it keeps nothing. */
export function keeperIn(storage, key) {
  let newest, timer, isTold

  /** Writes what is not written yet. */
  const flush = () => {
    if (timer === undefined) return
    timer = clearTimeout(timer)
    globalThis.removeEventListener?.('pagehide', flush)
    try {
      const text = newest()
      if (text !== undefined) storage.setItem(key, text)
    } catch (error) {
      if (!isTold) console.error(`walcast: ${key} not stored`, error) // a full storage must not end the app
      isTold = true
    }
  }

  /** Keeps what text() returns when it is written, soon or at the end of the page; undefined leaves what is stored. */
  const keep = (text) => {
    newest = text
    if (!storage || timer !== undefined) return
    timer = setTimeout(flush, WRITE_EVERY)
    globalThis.addEventListener?.('pagehide', flush)
  }

  return { flush, keep, read: () => storage?.getItem(key) ?? null }
}
