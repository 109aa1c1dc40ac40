import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { Client } from '../../sdk/client.ts'
import { isProblem } from '../../sdk/problem.ts'
import type { FileEntry } from '../../sidekick/protocol.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { packFolder } from './pack.ts'
import { targetOf } from './place.ts'

/** Copies a local file or folder into a compute; answers where it went. */
export const upload = async (
  client: Client,
  computeId: string,
  source: string,
  target: string,
  onBytes: (count: number) => void,
): Promise<string> => {
  const found = await stat(source).catch(() => {
    throw new CliError(EXIT.notFound, `There is no ${source} on this machine.`)
  })
  const there = await statRemote(client, computeId, target)
  const place = targetOf(path.resolve(source), target, there?.type === 'directory')
  if (!found.isDirectory()) {
    const file = createReadStream(source)
    const body = Readable.toWeb(Readable.from(counted(file, onBytes))) as ReadableStream<Uint8Array>
    const written = client.files(computeId).write(place, body, { mode: found.mode & 0o777 })
    const entry = await written.catch((error: unknown) => {
      // To the request it is a connection that broke.
      if (file.errored === null) throw error
      throw new CliError(EXIT.failure, `${source} cannot be read: ${file.errored.message}`)
    })
    return entry.path
  }
  await uploadFolder(client, computeId, source, place, onBytes)
  return place
}

/** Undefined when nothing is there. */
export const statRemote = async (
  client: Client,
  computeId: string,
  place: string,
): Promise<FileEntry | undefined> => {
  try {
    return await client.files(computeId).stat(place)
  } catch (error) {
    if (isProblem(error) && error.code === 'not_found') return undefined
    throw error
  }
}

const uploadFolder = async (
  client: Client,
  computeId: string,
  source: string,
  place: string,
  onBytes: (count: number) => void,
): Promise<void> => {
  const errors: Uint8Array[] = []
  let feeding: Promise<void> | undefined
  const exit = await client.exec(
    computeId,
    {
      command: ['sh', '-c', 'mkdir -p -- "$1" && exec tar -xf - -C "$1"', 'sh', place],
      stdinOpen: true,
      timeoutMs: 0,
    },
    {
      onStart: (id) => {
        feeding = client.stdin(
          computeId,
          id,
          joined(counted(packFolder(source) as AsyncIterable<Uint8Array>, onBytes)),
        )
        feeding.catch(() => client.kill(computeId, id, 'SIGKILL').catch(() => {}))
      },
      onStderr: (bytes) => void errors.push(bytes),
    },
  )
  await feeding
  if (exit.exitCode !== 0)
    throw new CliError(EXIT.failure, `Unpacking in the compute failed: ${textOf(errors)}`)
}

export const textOf = (parts: readonly Uint8Array[]): string =>
  Buffer.concat(parts).toString('utf8').trim().slice(-2_000)

const counted = async function* (
  source: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of source) {
    onBytes(bytes.length)
    yield bytes
  }
}

const JOINED_BYTES = 256 * 1024

/** One request for many small pieces. */
const joined = async function* (
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = []
  let size = 0
  for await (const bytes of source) {
    held.push(bytes)
    size += bytes.length
    if (size < JOINED_BYTES) continue
    yield Buffer.concat(held)
    held = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(held)
}
