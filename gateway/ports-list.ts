import type { Principal } from '../auth/principal.ts'
import type { DirectoryEntry } from '../records/directory.ts'
import { may } from './admission.ts'
import { parsePort } from './hosts.ts'
import type { GatewayParts } from './parts.ts'
import { readAtMost } from './read-at-most.ts'
import { Refusal } from './refusal.ts'
import { exchange } from './sidekick-exchange.ts'
import { isReady, notReady } from './whereabouts.ts'

/**
 * The port a compute's own host stands for: the lowest that listens and is open to the caller.
 * Errors: Unauthenticated, NotFound, RateLimited, PortClosed (with the list), and why the compute is not ready.
 */
export const lowestPort = async (
  principal: Principal | null,
  entry: DirectoryEntry | undefined,
  parts: GatewayParts,
): Promise<number> => {
  const isPublic = (port: number) =>
    entry?.doors.some((door) => door.port === port && door.visibility === 'public') ?? false
  if (principal === null && !entry?.doors.some(({ visibility }) => visibility === 'public'))
    throw new Refusal('Unauthenticated', 'Send a valid access token or API key.')
  const mayUse = principal !== null && entry !== undefined && may(principal, 'compute:use', entry)
  if (entry === undefined || (principal !== null && !may(principal, 'compute:read', entry)))
    throw new Refusal('NotFound', 'no such thing, or not yours')
  const leave = parts.concurrency.enter(entry.computeId, principal === null)
  const listening = await listPorts(entry, parts).finally(leave)
  const open = listening.filter((port) => mayUse || isPublic(port))
  const [lowest] = open.sort((one, other) => one - other)
  if (lowest === undefined)
    throw new Refusal('PortClosed', 'No port listens in this compute.', { ports: open })
  return lowest
}

const MAX_LIST_BYTES = 256 * 1024

const listPorts = async (entry: DirectoryEntry, parts: GatewayParts): Promise<number[]> => {
  if (!isReady(entry)) throw notReady(entry)
  const ticket = await parts.tickets({ ...entry, subject: 'gateway' })
  const { answer } = await exchange({
    agent: parts.pools.agent(entry.endpoint),
    method: 'GET',
    path: '/v1/ports',
    headers: ['Host', 'sidekick', 'Authorization', `Bearer ${ticket}`],
    body: null,
    upgrade: false,
    signal: AbortSignal.timeout(5_000),
  }).catch((error: unknown) => {
    throw error instanceof Refusal ? error : silent()
  })
  const body = await readAtMost(answer, MAX_LIST_BYTES)
  const ports = answer.statusCode === 200 ? portsIn(body) : undefined
  if (ports === undefined) throw silent()
  return ports
}

const silent = (): Refusal =>
  new Refusal('SidekickUnreachable', 'The compute does not answer; try again in a moment.')

/** The ports of a PortInfo[]; undefined for anything else a sidekick may have said. */
const portsIn = (body: Buffer): number[] | undefined => {
  try {
    const list = JSON.parse(body.toString()) as readonly { readonly port: unknown }[]
    return list.flatMap(({ port }) => parsePort(String(port)) ?? [])
  } catch {
    return undefined
  }
}
