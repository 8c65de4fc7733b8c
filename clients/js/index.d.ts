export * from './live.js'
export * from './resumable.js'
