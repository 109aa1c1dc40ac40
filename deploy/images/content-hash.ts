import { createHash } from 'node:crypto'

const SHOWN = 12

/** A short name for what an image is made of: the same parts in any order, the same name. */
export const contentHash = (parts: Readonly<Record<string, string>>): string => {
  const hash = createHash('sha256')
  for (const name of Object.keys(parts).sort())
    hash.update(JSON.stringify([name, parts[name]])).update('\n')
  return hash.digest('hex').slice(0, SHOWN)
}
