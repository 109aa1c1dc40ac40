import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

/** The whole body of a sidekick's answer. Errors: SidekickUnreachable when it breaks off or is longer. */
export const readAtMost = async (answer: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length
      // Leaving the loop also destroys the answer.
      if (bytes > maxBytes) break
      chunks.push(chunk)
    }
  } catch {
    throw new Refusal('SidekickUnreachable', 'The compute broke off in the middle of its answer.')
  }
  if (bytes > maxBytes)
    throw new Refusal(
      'SidekickUnreachable',
      `The compute answered with more than ${maxBytes} bytes where few are due; see what runs in it.`,
    )
  return Buffer.concat(chunks)
}
