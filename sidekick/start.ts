/**
 * What `sidekick.mjs` is: the sidekick, compiled already. V8's code cache was made with the bundle
 * (deploy/build/sidekick.mjs) and saves a sixth of the start; one that does not fit is ignored.
 */
import * as nodeModule from 'node:module'

// Node 24 takes options here, which the types of Node 20 do not know.
const { enableCompileCache } = nodeModule as unknown as {
  enableCompileCache(options: { directory: string; portable: boolean }): unknown
}
enableCompileCache({ directory: `${import.meta.dirname}/cache`, portable: true })
const main: string = './main.mjs'
await import(main)
