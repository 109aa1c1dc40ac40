import type { Duplex } from 'node:stream'
import { closeFrame, FrameBoundary } from './frame-boundary.ts'

/** How long a side may take to read what is left after the other one ended. */
const LINGER_MS = 30_000
/** How long a frame under way may take to end before the connection is cut without a close frame. */
const FRAME_MS = 2_000

export interface PipedSocket {
  /** Says goodbye to the client with a close frame at the next frame's end, then cuts both sides. */
  close(code: number, reason: string): void
  readonly closed: Promise<void>
}

/**
 * Joins a client's socket and a sidekick's after the handshake. Bytes pass as they are, with
 * back-pressure both ways: at most one stream buffer each is held here.
 */
export const pipeSockets = (client: Duplex, sidekick: Duplex): PipedSocket => {
  const boundary = new FrameBoundary()
  let closing: Buffer | undefined
  let cut: NodeJS.Timeout | undefined

  const toClient = (chunk: Buffer) => {
    if (closing !== undefined) return finishFrame(chunk, closing)
    boundary.push(chunk)
    if (!client.write(chunk)) sidekick.pause()
  }
  const finishFrame = (chunk: Buffer, goodbye: Buffer) => {
    const end = boundary.pushToBoundary(chunk)
    if (end === undefined) {
      if (!client.write(chunk)) sidekick.pause()
      return
    }
    clearTimeout(cut)
    sidekick.off('data', toClient)
    client.end(Buffer.concat([chunk.subarray(0, end), goodbye]))
    sidekick.destroy()
  }
  sidekick.on('data', toClient)
  client.on('drain', () => sidekick.resume())
  client.on('data', (chunk: Buffer) => {
    if (!sidekick.write(chunk)) client.pause()
  })
  sidekick.on('drain', () => client.resume())

  endTogether(client, sidekick)
  endTogether(sidekick, client)
  const closed = Promise.all([closeOf(client), closeOf(sidekick)]).then(() => {})

  return {
    closed,
    close(code, reason) {
      if (closing !== undefined || client.destroyed) return
      const goodbye = closeFrame(code, reason)
      if (boundary.atBoundary) {
        sidekick.off('data', toClient)
        client.end(goodbye)
        sidekick.destroy()
      } else {
        closing = goodbye
        sidekick.resume()
        cut = setTimeout(() => destroyBoth(client, sidekick), FRAME_MS).unref()
      }
      // Whoever does not read its goodbye is cut.
      setTimeout(() => destroyBoth(client, sidekick), LINGER_MS).unref()
    },
  }
}

const endTogether = (one: Duplex, other: Duplex): void => {
  one.on('end', () => {
    other.end()
    setTimeout(() => destroyBoth(one, other), LINGER_MS).unref()
  })
  one.on('error', () => destroyBoth(one, other))
  one.on('close', () => {
    // What was read from it may still be on its way to a slow reader.
    if (!other.writableEnded) other.end()
    setTimeout(() => other.destroy(), LINGER_MS).unref()
  })
}

const closeOf = (socket: Duplex): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })

const destroyBoth = (one: Duplex, other: Duplex): void => {
  one.destroy()
  other.destroy()
}
