/** Finds a free loopback port for each server, and says who holds the one it would have liked. */
import { createServer } from 'node:net'
import { listenerOn } from './proc.ts'

export interface PortWish {
  readonly name: string
  readonly preferred: number
  /** Environment variable that fixes the port; then it is that one or an error. */
  readonly variable?: string
}

export interface PortTaken {
  readonly name: string
  readonly wanted: number
  readonly heldBy: string
  readonly taken: number
}

export class PortInUse extends Error {
  override readonly name = 'PortInUse'
}

/**
 * One port per wish. A fixed port that is in use is PortInUse; a preferred one is replaced by the next
 * free one and reported in `moved`.
 */
export const choosePorts = async <Name extends string>(
  wishes: readonly (PortWish & { readonly name: Name })[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ ports: Record<Name, number>; moved: readonly PortTaken[] }> => {
  const ports = {} as Record<Name, number>
  const moved: PortTaken[] = []
  const used = new Set<number>()
  for (const wish of wishes) {
    const fixed = fixedPort(wish, env)
    const wanted = fixed ?? wish.preferred
    let taken = wanted
    if (used.has(wanted) || !(await isFree(wanted))) {
      const heldBy = used.has(wanted)
        ? 'another part of this stack'
        : ((await listenerOn(wanted)) ?? 'a process that cannot be seen')
      if (fixed !== undefined)
        throw new PortInUse(
          `port ${wanted} for ${wish.name} (set by ${wish.variable}) is in use by ${heldBy}: stop it or set ${wish.variable} to another port`,
        )
      taken = await nextFree(wanted, used)
      moved.push({ name: wish.name, wanted, heldBy, taken })
    }
    used.add(taken)
    ports[wish.name] = taken
  }
  return { ports, moved }
}

export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    )
  })

const fixedPort = (
  wish: PortWish,
  env: Readonly<Record<string, string | undefined>>,
): number | undefined => {
  const text = wish.variable === undefined ? undefined : env[wish.variable]
  if (text === undefined || text === '') return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new PortInUse(`${wish.variable} must be a port from 1 to 65535, not "${text}"`)
  return port
}

const nextFree = async (after: number, used: ReadonlySet<number>): Promise<number> => {
  for (let port = after + 1; port <= 65_535; port++)
    if (!used.has(port) && (await isFree(port))) return port
  throw new PortInUse(`no free port above ${after}`)
}
