/** What one process had used when it was looked at. */
export interface CpuSample {
  readonly key: string
  readonly name: string
  readonly cpuMs: number
}
export interface CpuHistory {
  readonly rounds: readonly { readonly atMs: number; readonly cpuMs: ReadonlyMap<string, number> }[]
}
export interface Busy {
  readonly name: string
  /** Of one core, over the window. */
  readonly share: number
}

export const NO_HISTORY: CpuHistory = { rounds: [] }

/**
 * Adds a round of samples taken at `atMs` and says which process used more than `threshold` of a
 * core over the window that ends there; the busiest, or undefined. A process younger than the
 * window counts from nothing; so does the time before the first round, whose use is not known.
 */
export const observeCpu = (
  history: CpuHistory,
  samples: readonly CpuSample[],
  atMs: number,
  { windowMs, threshold = 0.05 }: { readonly windowMs: number; readonly threshold?: number },
): { readonly history: CpuHistory; readonly busy: Busy | undefined } => {
  const first = history.rounds.length === 0
  const start =
    history.rounds.findLast((round) => round.atMs <= atMs - windowMs) ?? history.rounds[0]
  const busiest = first
    ? undefined
    : samples
        .map(({ key, name, cpuMs }) => ({
          name,
          share: (cpuMs - (start?.cpuMs.get(key) ?? 0)) / windowMs,
        }))
        .reduce<Busy | undefined>(
          (most, one) => (one.share > (most?.share ?? 0) ? one : most),
          undefined,
        )
  const round = { atMs, cpuMs: new Map(samples.map(({ key, cpuMs }) => [key, cpuMs])) }
  return {
    history: {
      rounds: [...history.rounds.filter((old) => !start || old.atMs >= start.atMs), round],
    },
    busy: busiest && busiest.share > threshold ? busiest : undefined,
  }
}
