/** For suites: the activities over a real database, store, bubblewrap and sidekick, each their own. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadSigningKeys, type SigningKeys } from '../../auth/keys.ts'
import { createSealer, envContext } from '../../auth/seal.ts'
import { findCompute } from '../../records/computes.ts'
import { newId } from '../../records/ids.ts'
import { freshDatabase } from '../../records/test-database.ts'
import { DEFAULT_TIMINGS, type Cause } from '../../workflows/compute/contract.ts'
import { createLocalRuntime } from '../adapters/local/runtime.ts'
import { createSidekickControl } from '../adapters/sidekick/control.ts'
import type { Target } from '../contract.ts'
import type { ControlDeps } from '../control-deps.ts'
import { createControlActivities, createDataActivities } from '../index.ts'
import { dropBucket, storeSettings } from './bucket.ts'
import { needed } from './needed.ts'
import { recordingDoors, recordingSchedules } from './recording.ts'
import { runInside } from './run-inside.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Whoever asks and why, where a suite does not care. */
export const cause: Cause = { reason: 'user', actor: 'user:suite' }

export type Ground = Awaited<ReturnType<typeof startGround>>

interface NewCompute {
  readonly filesystemId?: string
  readonly imageId?: string
  readonly env?: Readonly<Record<string, string>>
}

export const startGround = async () => {
  const { db, drop } = await freshDatabase()
  const stateDir = await mkdtemp(path.join(tmpdir(), 'dm-'))
  await chmod(stateDir, 0o711)
  const keys = freshKeys()
  const { store, settings } = storeSettings()
  await store.ensureBucket()
  const runtime = testRuntime(stateDir)
  const sidekick = createSidekickControl(keys)
  const sealer = createSealer(randomBytes(32).toString('base64'))
  const doors = recordingDoors()
  const schedules = recordingSchedules()
  const deps: ControlDeps = {
    db,
    runtime,
    sidekick,
    store,
    sealer,
    ticketKeys: [keys.publicJwk],
    doors,
    schedules,
    timings: DEFAULT_TIMINGS,
    computesUpPerUser: 50,
  }
  const groupId = newId()
  await db.insertInto('groups').values({ id: groupId, name: 'suite' }).execute()
  const signal = new AbortController().signal

  const newFilesystem = async (implicit = true): Promise<string> => {
    const id = newId()
    await db
      .insertInto('filesystems')
      .values({
        id,
        group_id: groupId,
        owner_id: 'user',
        name: implicit ? null : 'named',
        implicit,
        image_digest: 'host',
      })
      .execute()
    return id
  }

  const newCompute = async (options: NewCompute = {}): Promise<string> => {
    const id = newId()
    await db
      .insertInto('computes')
      .values({
        id,
        group_id: groupId,
        owner_id: 'user',
        name: 'suite',
        image_id: options.imageId ?? 'host',
        filesystem_id: options.filesystemId ?? (await newFilesystem()),
        runtime: 'local',
        tier: 'tiny',
        network: 'none',
        state: 'requested',
        reason: 'created',
        actor: 'user:suite',
        idle_timeout_ms: 60_000,
        max_lifetime_ms: 0,
        env_sealed:
          options.env === undefined
            ? null
            : sealer.seal(JSON.stringify(options.env), envContext(groupId, id)),
      })
      .execute()
    return id
  }

  const control = createControlActivities(deps)
  return {
    db,
    deps,
    doors,
    schedules,
    store,
    storeSettings: settings,
    runtime,
    sidekick,
    stateDir,
    groupId,
    control,
    data: createDataActivities({ ...deps, cancellation: () => signal }),
    newFilesystem,
    newCompute,
    /** A new compute that runs, of generation 1. */
    async started(options: NewCompute = {}): Promise<Target> {
      const target = { computeId: await newCompute(options), generation: 1 }
      await control.provision({ ...target, as: 'provisioning', cause })
      return target
    },
    /** Runs a command inside the current generation; its output, or throws with it. */
    async run(computeId: string, command: string): Promise<string> {
      const row = await findCompute(db, computeId)
      if (row === undefined) throw new Error(`no compute ${computeId}`)
      return runInside(keys, db, { computeId, generation: row.generation }, command)
    },
    async end(): Promise<void> {
      for (const sandbox of await runtime.list()) await runtime.stop(sandbox, { keepTree: false })
      await sidekick.close()
      store.close()
      await dropBucket(settings)
      await drop()
      await rm(stateDir, { recursive: true, force: true })
    },
  }
}

const freshKeys = (): SigningKeys => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return loadSigningKeys(privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'))
}

export const testRuntime = (stateDir: string) =>
  createLocalRuntime({
    stateDir,
    bwrap: path.join(needed('DORMOUSE_BIN'), 'bwrap'),
    sidekickDir: process.env['DORMOUSE_SIDEKICK_DIR'] ?? path.join(ROOT, 'dist/sidekick'),
    sidekickNode: null,
    unsafeNoIsolation: false,
    cgroup: null,
  })
