import { once } from 'node:events'
import { lstat, mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Client } from '../../sdk/client.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { targetOf } from './place.ts'
import { unpackFolder } from './unpack.ts'
import { statRemote, textOf } from './upload.ts'
import { received, writeWhole } from './whole-file.ts'

/**
 * Copies a file or folder of a compute to this machine; answers where it went. Its name is the one the user
 * spelled: the compute has no say in where on this machine anything is written.
 */
export const download = async (
  client: Client,
  computeId: string,
  source: string,
  target: string,
  onBytes: (count: number) => void,
): Promise<string> => {
  const found = await statRemote(client, computeId, source)
  if (found === undefined)
    throw new CliError(EXIT.notFound, `There is no ${source} in the compute.`)
  const isFolder = await stat(target).then(
    (there) => there.isDirectory(),
    () => false,
  )
  const place = path.resolve(targetOf(source, target, isFolder, path.join))
  if (found.type === 'directory') {
    // The name was added here, and an earlier copy may have made it a link.
    if (place !== path.resolve(target) && (await isLink(place)))
      throw new CliError(
        EXIT.failure,
        `${place} is a link on this machine. No folder is copied through a link.`,
        'Remove it, or copy to a new folder.',
      )
    await downloadFolder(client, computeId, found.path, place, onBytes)
    return place
  }
  await mkdir(path.dirname(place), { recursive: true })
  const open = async () => received('the file', await client.files(computeId).read(source), onBytes)
  await writeWhole(place, open, found.mode & 0o777)
  return place
}

const isLink = (place: string): Promise<boolean> =>
  lstat(place).then(
    (there) => there.isSymbolicLink(),
    () => false,
  )

const downloadFolder = async (
  client: Client,
  computeId: string,
  source: string,
  place: string,
  onBytes: (count: number) => void,
): Promise<void> => {
  const { input, finished } = unpackFolder(place)
  const errors: Uint8Array[] = []
  const lost: string[] = []
  const stop = new AbortController()
  finished.catch(() => stop.abort())
  try {
    const exit = await client.exec(
      computeId,
      { command: ['tar', '-cf', '-', '-C', source, '.'], timeoutMs: 0 },
      {
        signal: stop.signal,
        onStdout: async (bytes) => {
          onBytes(bytes.length)
          if (!input.write(bytes)) await Promise.race([once(input, 'drain'), finished])
        },
        onStderr: (bytes) => void errors.push(bytes),
        onTruncated: (stream, from, to) => void (stream === 'stdout' && lost.push(`${from}-${to}`)),
      },
    )
    if (lost.length > 0 || exit.exitCode !== 0)
      throw new CliError(
        EXIT.failure,
        `Packing in the compute failed: ${textOf(errors) || 'bytes were lost on the way'}`,
        `What came is in ${place}, and is not complete.`,
      )
    input.end()
  } catch (error) {
    input.destroy()
    await finished.catch((cause: unknown) => {
      if (stop.signal.aborted) throw cause
    })
    throw error
  }
  await finished
}
