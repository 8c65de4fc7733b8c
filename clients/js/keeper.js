const WRITE_EVERY = 1_000 // ms, at most

/** Keeps a text, such as a position and its history, in a storage, over a reload of the page. Without a storage it keeps nothing. */
export function keeperIn(storage, key) {
  let newest, timer

  const flush = () => {
    if (timer === undefined) return
    clearTimeout(timer)
    timer = undefined
    try {
      const text = newest()
      if (text !== undefined) storage.setItem(key, text)
    } catch (error) {
      console.error(`walcast: ${key} not stored`, error) // a full storage must not end the app
    }
  }

  return {
    read: () => storage?.getItem(key) ?? null,

    /** Keeps what text() returns when it is written; undefined leaves what is stored. */
    keep(text) {
      if (!storage) return
      newest = text
      timer ??= setTimeout(flush, WRITE_EVERY)
    },

    /** Has the end of the page write what is not written yet. */
    open() { globalThis.addEventListener?.('pagehide', flush) },

    close() {
      globalThis.removeEventListener?.('pagehide', flush)
      flush()
    },
  }
}
