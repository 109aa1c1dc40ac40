const SAME_KEY_PRESS_MS = 1_000

export interface StopAsked {
  readonly promise: Promise<void>
  /** The work's result; StoppedMeanwhile when a stop is asked for first. */
  race<T>(work: Promise<T>): Promise<T>
}

export class StoppedMeanwhile extends Error {
  override readonly name = 'StoppedMeanwhile'
}

/**
 * Resolves at the first Ctrl-C, SIGTERM or closed terminal; `onAgain` at a later one. npm sends the
 * Ctrl-C that the terminal has sent already: two within a second are one.
 */
export const listenForStop = (options: { readonly onAgain: () => void }): StopAsked => {
  let firstAt: number | undefined
  const promise = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (firstAt === undefined) {
          firstAt = Date.now()
          resolve()
        } else if (signal !== 'SIGHUP' && Date.now() - firstAt > SAME_KEY_PRESS_MS) {
          options.onAgain()
        }
      })
  })
  return {
    promise,
    race: (work) =>
      Promise.race([
        work,
        promise.then(() => {
          throw new StoppedMeanwhile('stopped before it was up')
        }),
      ]),
  }
}
