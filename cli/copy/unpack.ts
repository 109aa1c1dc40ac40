import { chmod, copyFile, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import { tell } from '../output.ts'
import { confined } from './place.ts'

/** Takes a tar stream and makes the folder `root` of it; `finished` when everything stands. */
export const unpackFolder = (root: string): { input: Writable; finished: Promise<void> } => {
  const archive = extract()
  const finished = (async () => {
    const later: (() => Promise<void>)[] = []
    // The iterator must stand before the first byte comes, or the first entries are lost.
    const entries = archive[Symbol.asyncIterator]()
    await mkdir(root, { recursive: true })
    for await (const entry of { [Symbol.asyncIterator]: () => entries }) {
      const place = confined(root, entry.header.name)
      await unpackEntry(root, place, entry.header, entry as AsyncIterable<Uint8Array>, later)
      entry.resume()
    }
    // Links come last: written earlier, one could lead a later file out of the folder.
    for (const finish of later) await finish()
  })()
  // Its streams are Node's in all but type.
  return { input: archive as unknown as Writable, finished }
}

const unpackEntry = async (
  root: string,
  place: string,
  header: Header,
  body: AsyncIterable<Uint8Array>,
  later: (() => Promise<void>)[],
): Promise<void> => {
  const mode = (header.mode ?? 0o644) & 0o777
  if (header.type === 'directory') {
    await mkdir(place, { recursive: true })
    later.unshift(() => chmod(place, mode))
  } else if (header.type === 'file' || header.type === 'contiguous-file') {
    await mkdir(path.dirname(place), { recursive: true })
    await rm(place, { force: true })
    await writeFile(place, body, { mode, flag: 'wx' })
    if (header.mtime) await utimes(place, header.mtime, header.mtime)
    await chmod(place, mode)
  } else if (header.type === 'link') {
    const source = confined(root, header.linkname ?? '')
    later.push(() => copyFile(source, place))
  } else if (header.type === 'symlink') {
    later.push(async () => {
      await rm(place, { force: true })
      await symlink(header.linkname ?? '', place)
    })
  } else tell(`Left out ${header.name}: a ${header.type}.`)
}
