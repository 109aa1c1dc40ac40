import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** No answer for this long is a wall too. */
const REFUSED_AFTER_MS = 500
/** A wall that is put up after the sandbox started is waited for this long. */
const WALL_WITHIN_MS = 6_000
const AGAIN_MS = 50

/**
 * Tries addresses that nothing in a sandbox may reach, until none takes a connection. Answers null then,
 * or the one that was reached to the end: the walls around this sandbox do not hold.
 */
export const reachedCanary = async (
  addresses: readonly string[],
  withinMs = WALL_WITHIN_MS,
): Promise<string | null> => {
  const giveUpAt = performance.now() + withinMs
  for (;;) {
    const reached = await Promise.all(addresses.map(connects))
    const one = addresses.find((_, index) => reached[index])
    if (one === undefined) return null
    if (performance.now() > giveUpAt) return one
    await sleep(AGAIN_MS)
  }
}

const connects = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const colon = address.lastIndexOf(':')
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
    const socket = connect({ host, port: Number(address.slice(colon + 1)) })
    const done = (reached: boolean): void => {
      socket.destroy()
      resolve(reached)
    }
    socket.setTimeout(REFUSED_AFTER_MS, () => done(false))
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
