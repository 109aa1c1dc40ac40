/** What /opt/env holds, read from an archive's own entries: names, and the few small files that say a version. */

export interface InstalledPackage {
  readonly manager: 'pip' | 'npm' | 'gem' | 'cargo'
  readonly name: string
  readonly version: string
}

const LARGEST_METADATA_BYTES = 256 * 1024
/** The list becomes a row; npm's own longest name is 214 characters. */
const MOST_PACKAGES = 10_000
const LONGEST_NAME = 214
const LONGEST_VERSION = 100
/** Paths in a file system are not longer. */
const LONGEST_PATH = 4096
const PIP = /\/(?:site|dist)-packages\/([^/]+)-([^/-]+)\.dist-info\/METADATA$/
const NPM = /^env\/npm\/lib\/node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/
const GEM = /^env\/gem\/(?:.*\/)?specifications\/([^/]+)-(\d[^/]*)\.gemspec$/
const CARGO = /^env\/cargo\/\.crates\.toml$/

export const createPackageReader = () => {
  const found = new Map<string, InstalledPackage>()
  const add = ({ manager, name, version }: InstalledPackage): void => {
    const key = `${manager} ${name}`
    if (name.length > LONGEST_NAME || version.length > LONGEST_VERSION) return
    if (found.size >= MOST_PACKAGES && !found.has(key)) return
    // Parts of a long text keep all of it in memory.
    found.set(copy(key), { manager, name: copy(name), version: copy(version) })
  }
  return {
    /** Leaves the content of an entry that says nothing unread: the caller drains it. */
    async entry(path: string, sizeBytes: number, content: AsyncIterable<Buffer>): Promise<void> {
      if (path.length > LONGEST_PATH) return
      const [, pipName, pipVersion] = PIP.exec(path) ?? []
      if (pipName && pipVersion) add({ manager: 'pip', name: pipName, version: pipVersion })
      const [, gemName, gemVersion] = GEM.exec(path) ?? []
      if (gemName && gemVersion) add({ manager: 'gem', name: gemName, version: gemVersion })
      if (sizeBytes > LARGEST_METADATA_BYTES) return
      const [, npmName] = NPM.exec(path) ?? []
      if (npmName !== undefined) {
        const version = versionOf(await text(content))
        if (version !== undefined) add({ manager: 'npm', name: npmName, version })
      }
      if (CARGO.test(path))
        for (const [, name, version] of (await text(content)).matchAll(/^"(\S+) (\S+) /gm))
          if (name && version) add({ manager: 'cargo', name, version })
    },
    /** By name, 10,000 at most; what has a longer name or version than any real one is left out. */
    list: (): readonly InstalledPackage[] =>
      [...found.values()].sort((a, b) =>
        `${a.manager} ${a.name}` < `${b.manager} ${b.name}` ? -1 : 1,
      ),
  }
}
export type PackageReader = ReturnType<typeof createPackageReader>

const copy = (part: string): string => Buffer.from(part, 'utf8').toString('utf8')

const text = async (content: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The file is the user's: whatever it holds, it only fails to name a version. */
const versionOf = (json: string): string | undefined => {
  try {
    const { version } = JSON.parse(json) as { version?: unknown }
    return typeof version === 'string' && version.length <= LONGEST_VERSION ? version : undefined
  } catch {
    return undefined
  }
}
