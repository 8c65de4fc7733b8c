export { liveTable } from './live.js'
export { resumable } from './resumable.js'
