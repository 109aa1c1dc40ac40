import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type { SidekickAddress } from '../activities/ports.ts'
import type { ComputeProblem, ComputeState } from '../workflows/compute/contract.ts'
import type { Queryable } from './database.ts'

export type PortVisibility = 'private' | 'group' | 'public'

/** What the gateway must know of a compute to decide about a request and to find its sidekick. */
export interface DirectoryEntry {
  readonly computeId: string
  readonly groupId: string
  readonly ownerId: string
  readonly state: ComputeState
  readonly generation: number
  readonly problem: ComputeProblem | null
  /** Of this generation only; null until its sidekick was claimed or after it ended. */
  readonly endpoint: { readonly address: SidekickAddress; readonly fingerprint: string } | null
  /** Ports that are not private. */
  readonly doors: readonly { readonly port: number; readonly visibility: PortVisibility }[]
}

/** The compute of that id with its current generation's sandbox, in one read; undefined when there is none. */
export const readDirectory = async (
  db: Queryable,
  computeId: string,
): Promise<DirectoryEntry | undefined> => {
  const row = await db
    .selectFrom('computes as c')
    .leftJoin('sandboxes as s', (on) =>
      on
        .onRef('s.compute_id', '=', 'c.id')
        .onRef('s.generation', '=', 'c.generation')
        .on('s.ended_at', 'is', null),
    )
    .select(['c.id', 'c.group_id', 'c.owner_id', 'c.state', 'c.generation', 'c.problem'])
    .select(['s.address', 's.fingerprint'])
    .select((eb) =>
      jsonArrayFrom(
        eb
          .selectFrom('port_doors as d')
          .select(['d.port', 'd.visibility'])
          .whereRef('d.compute_id', '=', 'c.id'),
      ).as('doors'),
    )
    .where('c.id', '=', computeId)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const { address, fingerprint } = row
  return {
    computeId: row.id,
    groupId: row.group_id,
    ownerId: row.owner_id,
    state: row.state,
    generation: row.generation,
    problem: row.problem,
    endpoint: address && fingerprint ? { address, fingerprint } : null,
    doors: row.doors,
  }
}
