/** Resource classes. Requests are what a scheduler sets aside; the limits hold at run time. */
export interface Tier {
  readonly cpuMillis: { readonly request: number; readonly limit: number }
  readonly memoryBytes: { readonly request: number; readonly limit: number }
  readonly pids: number
  /** A larger tree is not saved but refused with FilesystemTooLarge. */
  readonly maxBytes: number
  readonly maxEntries: number
}

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const tier = (
  cpu: readonly [number, number],
  memory: readonly [number, number],
  pids = 1024,
): Tier => ({
  cpuMillis: { request: cpu[0], limit: cpu[1] },
  memoryBytes: { request: memory[0], limit: memory[1] },
  pids,
  maxBytes: 10 * GIB,
  maxEntries: 1_000_000,
})

export const TIERS = {
  tiny: tier([20, 500], [64 * MIB, 512 * MIB], 256),
  basic: tier([1000, 2000], [2 * GIB, 4 * GIB]),
  standard: tier([2000, 4000], [4 * GIB, 8 * GIB]),
  premium: tier([4000, 8000], [8 * GIB, 16 * GIB]),
} as const satisfies Record<string, Tier>

/** A row's tier; one that a later version dropped counts as `basic`. */
export const tierOf = (name: string): Tier =>
  Object.hasOwn(TIERS, name) ? TIERS[name as keyof typeof TIERS] : TIERS.basic
