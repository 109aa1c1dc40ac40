import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

/** glibc 2.36: what the sidekick and Temporal's bridge were tried on. */
export const DEBIAN_RELEASE = 'bookworm'

const PUBLIC_MIRROR = 'http://deb.debian.org/debian'

/** DORMOUSE_DEBIAN_MIRROR, else the archive this machine's apt uses, else the public one. */
export const debianMirror = async (
  env: Readonly<Record<string, string | undefined>> = process.env,
  apt = '/etc/apt',
): Promise<string> => {
  if (env['DORMOUSE_DEBIAN_MIRROR']) return env['DORMOUSE_DEBIAN_MIRROR']
  const parts = await readdir(path.join(apt, 'sources.list.d')).catch(() => [])
  const files = [
    path.join(apt, 'sources.list'),
    ...parts
      .filter((name) => /\.(list|sources)$/.test(name))
      .map((name) => path.join(apt, 'sources.list.d', name)),
  ]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  return mirrorIn(texts.join('\n')) ?? PUBLIC_MIRROR
}

/** The first address of a whole Debian archive, in either of apt's two notations. */
export const mirrorIn = (sources: string): string | undefined =>
  sources
    .split('\n')
    .map((line) => /^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(https?:\/\/\S+)/.exec(line)?.[1])
    .find((address) => address !== undefined && /\/debian\/?$/.test(address))
