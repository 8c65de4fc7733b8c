const WRITE_EVERY = 1_000 // ms, at most

/** Keeps a text, a position and its history, in a storage, over a reload of the page. Without a storage it keeps nothing. */
export function keeperIn(storage, key) {
  let kept, timer

  const flush = () => {
    if (timer === undefined) return
    clearTimeout(timer)
    timer = undefined
    try {
      storage.setItem(key, kept)
    } catch (error) {
      console.error('resumable: position not stored', error) // a full storage must not end the app
    }
  }

  return {
    read: () => storage?.getItem(key) ?? null,

    keep(newest) {
      if (!storage) return
      kept = newest
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
