/** What /opt/env holds, read from an archive's own entries: names, and the few small files that say a version. */

export interface InstalledPackage {
  readonly manager: 'pip' | 'npm' | 'gem' | 'cargo'
  readonly name: string
  readonly version: string
}

const LARGEST_METADATA_BYTES = 256 * 1024
const PIP = /\/(?:site|dist)-packages\/([^/]+)-([^/-]+)\.dist-info\/METADATA$/
const NPM = /^env\/npm\/lib\/node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/
const GEM = /^env\/gem\/(?:.*\/)?specifications\/([^/]+)-(\d[^/]*)\.gemspec$/
const CARGO = /^env\/cargo\/\.crates\.toml$/

export const createPackageReader = () => {
  const found = new Map<string, InstalledPackage>()
  const add = (one: InstalledPackage): void => {
    found.set(`${one.manager} ${one.name}`, one)
  }
  return {
    /** Leaves the content of an entry that says nothing unread: the caller drains it. */
    async entry(path: string, sizeBytes: number, content: AsyncIterable<Buffer>): Promise<void> {
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
    list: (): readonly InstalledPackage[] =>
      [...found.values()].sort((a, b) =>
        `${a.manager} ${a.name}` < `${b.manager} ${b.name}` ? -1 : 1,
      ),
  }
}
export type PackageReader = ReturnType<typeof createPackageReader>

const text = async (content: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The file is the user's: whatever it holds, it only fails to name a version. */
const versionOf = (json: string): string | undefined => {
  try {
    const { version } = JSON.parse(json) as { version?: unknown }
    return typeof version === 'string' && version.length < 100 ? version : undefined
  } catch {
    return undefined
  }
}
