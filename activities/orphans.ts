/**
 * Every kind of thing that can be left behind, in one list. `find` looks only at what is older than
 * `before`; a lister that fails throws, and then nothing of its kind is touched.
 */
import { computeInput, findCompute } from '../records/computes.ts'
import type { Db } from '../records/database.ts'
import * as rows from '../records/sweeping.ts'
import { purgeFilesystem } from '../records/trash.ts'
import type { ControlDeps } from './control-deps.ts'
import { foreignOrNeeded, judgeSandbox } from './orphan-sandboxes.ts'

export interface Orphan {
  readonly id: string
  /** False when it turned out to be needed or foreign. */
  remove(): Promise<boolean>
}

interface Kind {
  readonly name: string
  readonly minAgeMs: number
  /** Asking twice does nothing: the installation's grace for young things does not apply. */
  readonly harmless?: true
}

/** Rows alone tell: removed in one statement, which answers how many. */
interface OrphanRows extends Kind {
  drop(deps: ControlDeps, before: Date): Promise<number>
}

export interface OrphanThings extends Kind {
  /** Two worlds were compared, at two moments: act only on what a second pass finds again. */
  readonly seenTwice: boolean
  find(deps: ControlDeps, before: Date): Promise<readonly Orphan[]>
}

export type OrphanKind = OrphanRows | OrphanThings

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const JANITOR = 'system:janitor'

export const orphanKinds = (partGraceMs = DAY_MS): readonly OrphanKind[] => [
  {
    name: 'sandboxes',
    seenTwice: true,
    minAgeMs: 0,
    async find({ db, runtime }, before) {
      const found = (await runtime.list()).filter(({ createdAtMs }) => createdAtMs < +before)
      const judged = found.map(async (sandbox): Promise<Orphan | undefined> => {
        const verdict = judgeSandbox(sandbox, await findCompute(db, sandbox.computeId), before)
        if (verdict === foreignOrNeeded) return undefined
        return {
          id: `${sandbox.computeId}.${sandbox.generation}`,
          async remove() {
            const now = judgeSandbox(sandbox, await findCompute(db, sandbox.computeId), before)
            if (now === foreignOrNeeded) return false
            await runtime.stop(sandbox, now)
            return true
          },
        }
      })
      return (await Promise.all(judged)).filter((orphan) => orphan !== undefined)
    },
  },
  {
    name: 'computes_without_workflow',
    // A compute that has its workflow after all is not started again: nobody has to wait ten minutes for this.
    harmless: true,
    seenTwice: false,
    minAgeMs: 5_000,
    async find({ db, doors, timings }, before) {
      // The workflows first: one that starts after this is not missed, its row is simply younger.
      const open = new Set<string>()
      for await (const id of doors.openComputes()) open.add(id)
      const missing = (await rows.livingComputes(db, before)).filter(({ id }) => !open.has(id))
      return missing.map((row) => ({
        id: row.id,
        remove: async () => {
          const cause = { reason: 'recovered', actor: JANITOR } as const
          return (await doors.adopt(computeInput(row, timings, cause, true))) === 'adopted'
        },
      }))
    },
  },
  {
    name: 'deletes_unheard',
    // The workflow is asked to look at its row, no more; one that heard of it is on its way by the next pass.
    harmless: true,
    seenTwice: true,
    minAgeMs: 0,
    find: async ({ db, doors }) =>
      (await rows.deletesNotBegun(db)).map((id) => ({
        id,
        remove: () => doors.refresh(id).then(() => true),
      })),
  },
  {
    name: 'schedules_without_compute',
    seenTwice: true,
    minAgeMs: 0,
    async find({ db, schedules }, before) {
      const found: Orphan[] = []
      for await (const id of schedules.list()) {
        const row = await findCompute(db, id)
        // Of a compute we do not know it is another installation's.
        if (row === undefined || row.state !== 'terminated') continue
        if ((row.terminated_at ?? new Date()) >= before) continue
        found.push({ id, remove: () => schedules.remove(id).then(() => true) })
      }
      return found
    },
  },
  {
    name: 'uploads',
    seenTwice: false,
    minAgeMs: partGraceMs,
    async find({ db, store }, before) {
      const old = (await store.listUploads('')).filter(({ startedAtMs }) => startedAtMs < +before)
      const ours = await rows.knownParts(
        db,
        old.map(({ key }) => key),
      )
      return old
        .filter(({ key }) => ours.has(key))
        .map(({ key, uploadId }) => ({
          id: uploadId,
          remove: () => store.abortUpload(key, uploadId).then(() => true),
        }))
    },
  },
  {
    name: 'parts',
    seenTwice: false,
    minAgeMs: partGraceMs,
    async find({ db, store }, before) {
      return (await rows.deadParts(db, before)).map((key) => ({
        id: key,
        async remove() {
          if (!(await rows.markPartDeleting(db, key))) return false
          await store.delete(key)
          await rows.forgetPart(db, key)
          return true
        },
      }))
    },
  },
  {
    name: 'trash',
    seenTwice: false,
    minAgeMs: 7 * DAY_MS,
    async find({ db }, before) {
      return (await rows.staleTrash(db, before)).map((id) => ({
        id,
        remove: () => purgeFilesystem(db, id, JANITOR).then(() => true),
      }))
    },
  },
  rowsOnly('leases', 0, rows.dropLeasesOfTerminated),
  rowsOnly('door_tickets', HOUR_MS, rows.dropExpiredTickets),
  rowsOnly('refresh_tokens', 30 * DAY_MS, rows.dropExpiredRefreshTokens),
  rowsOnly('idempotency_keys', 7 * DAY_MS, rows.dropOldIdempotencyKeys),
  rowsOnly('pending_images', DAY_MS, rows.failPendingImages),
]

function rowsOnly(
  name: string,
  minAgeMs: number,
  drop: (db: Db, before: Date) => Promise<number>,
): OrphanRows {
  return { name, minAgeMs, drop: ({ db }, before) => drop(db, before) }
}
