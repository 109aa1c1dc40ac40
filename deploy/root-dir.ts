import { existsSync } from 'node:fs'
import path from 'node:path'

/** The checkout, from the sources and from the bundle in dist/ alike. */
export const rootDir = (from = import.meta.dirname): string => {
  let dir = from
  while (!existsSync(path.join(dir, 'package-lock.json'))) {
    if (path.dirname(dir) === dir) throw new Error(`${from} is in no checkout of Dormouse`)
    dir = path.dirname(dir)
  }
  return dir
}
