/** The Temporal CLI as its makers publish it, given up within seconds where it cannot be reached. */
import { createWriteStream } from 'node:fs'
import { chmod } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Agent, fetch } from 'undici'
import { runTool } from '../run-tool.ts'
import type { Say } from './part.ts'

const CONNECT_TIMEOUT_MS = 4_000
const STALL_TIMEOUT_MS = 15_000

export const downloadTemporal = async (version: string, dir: string, say: Say): Promise<void> => {
  say(`getting the Temporal CLI ${version} from temporal.download`)
  const archive = path.join(dir, 'temporal.tar.gz')
  const url = `https://temporal.download/cli/archive/v${version}?platform=linux&arch=amd64`
  try {
    await save(url, archive, say)
  } catch (error) {
    throw new Error(
      `temporal.download: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
  await runTool('tar', ['-xzf', archive, '-C', dir, 'temporal'])
  await chmod(path.join(dir, 'temporal'), 0o755)
  await runTool(path.join(dir, 'temporal'), ['--version'])
}

const save = async (url: string, file: string, say: Say): Promise<void> => {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: STALL_TIMEOUT_MS,
    bodyTimeout: STALL_TIMEOUT_MS,
  })
  try {
    const response = await fetch(url, { dispatcher: agent })
    if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`)
    const totalBytes = Number(response.headers.get('content-length') ?? 0)
    let bytes = 0
    await pipeline(
      response.body,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          bytes += chunk.byteLength
          say(`getting the Temporal CLI: ${progress(bytes, totalBytes)}`)
          yield chunk
        }
      },
      createWriteStream(file),
    )
  } finally {
    await agent.destroy()
  }
}

const progress = (bytes: number, totalBytes: number): string =>
  totalBytes > 0
    ? `${Math.floor((bytes / totalBytes) * 100)} %`
    : `${Math.floor(bytes / 1_000_000)} MB`
