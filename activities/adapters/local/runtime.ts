import path from 'node:path'
import { DormouseError } from '../../../workflows/errors.ts'
import type { LiveSandbox, Runtime, Sandbox, SandboxRef, SandboxSpec } from '../../ports.ts'
import { removeCgroup } from './cgroup.ts'
import { withLock } from './lock.ts'
import { allProcesses, findByCommandLine, isAlive, kill, killAndWait } from './processes.ts'
import {
  discard,
  emptyTrash,
  listFolder,
  readRecord,
  statePaths,
  writeRecord,
  type OutOfMemoryRecord,
  type SandboxRecord,
  type TreeRecord,
} from './state.ts'
import { createStarter, type LocalRuntimeConfig } from './starter.ts'
import { whyUnavailable } from './unavailable.ts'

/** A Unix socket's path may have 107 bytes; what we add to `stateDir` has up to 60. */
const LONGEST_SOCKET_PATH = 107

/** Runs computes on this machine; see state.ts for what it keeps where. */
export const createLocalRuntime = (config: LocalRuntimeConfig): Runtime => {
  const paths = statePaths(config.stateDir)
  const { start, makeOwned, probeArgs } = createStarter(config, paths)
  const locked = <T>(computeId: string, work: () => Promise<T>): Promise<T> =>
    withLock(path.join(config.stateDir, 'locks', computeId), work)
  void emptyTrash(paths).catch(() => undefined)

  return {
    name: 'local',

    async unavailable() {
      if (Buffer.byteLength(paths.socket('x'.repeat(20), 99_999)) > LONGEST_SOCKET_PATH)
        return `the path ${config.stateDir} is too long for Unix sockets; set DORMOUSE_STATE_DIR to a shorter one`
      if (config.unsafeNoIsolation) return null
      return whyUnavailable(config.bwrap, await probeArgs())
    },

    ensure: (spec) => locked(spec.computeId, () => ensure(spec)),

    async inspect(ref) {
      const record = await readRecord<SandboxRecord>(
        paths.sandboxRecord(ref.computeId, ref.generation),
      )
      return record !== undefined && (await isAlive(record)) ? 'live' : 'gone'
    },

    markTreeComplete: (ref) =>
      locked(ref.computeId, async () => {
        const tree = await readRecord<TreeRecord>(paths.treeRecord(ref.computeId))
        if (tree === undefined || tree.generation !== ref.generation)
          throw new DormouseError('StaleGeneration', `the tree is not of ${ref.generation}`)
        await writeRecord(paths.treeRecord(ref.computeId), { ...tree, complete: true })
      }),

    stop: (ref, { keepTree }) =>
      locked(ref.computeId, async () => {
        await endGeneration(ref)
        if (keepTree) return
        const tree = await readRecord<TreeRecord>(paths.treeRecord(ref.computeId))
        if (tree !== undefined && tree.generation > ref.generation) return
        // Every older generation is gone before its tree is.
        for (const generation of await generations(ref.computeId))
          if (generation < ref.generation)
            await endGeneration({ computeId: ref.computeId, generation })
        await discard(paths, paths.compute(ref.computeId))
      }),

    async list() {
      const found = (await listFolder(paths.computes)).map(sandboxesOf)
      return (await Promise.all(found)).flat()
    },
  }

  async function ensure(spec: SandboxSpec): Promise<Sandbox> {
    const { computeId, generation } = spec
    const address = { kind: 'unix', path: paths.socket(computeId, generation) } as const
    const tree = await readRecord<TreeRecord>(paths.treeRecord(computeId))
    const others = await generations(computeId)
    const newest = Math.max(tree?.generation ?? 0, ...others)
    if (newest > generation)
      throw new DormouseError('StaleGeneration', `generation ${newest} was started`)
    const record = await readRecord<SandboxRecord>(paths.sandboxRecord(computeId, generation))
    if (record !== undefined && (await isAlive(record)))
      return { address, tree: record.tree, limits: record.limits }
    // Never two: whatever an earlier generation or a launch cut short left is ended first.
    for (const other of others) await endGeneration({ computeId, generation: other })

    const found = await placeTree(spec, tree)
    const started = await start(spec)
    const limits = started.enforced ? 'enforced' : 'watched'
    await writeRecord<SandboxRecord>(paths.sandboxRecord(computeId, generation), {
      pid: started.pid,
      startTicks: started.startTicks,
      generation,
      groupId: spec.groupId,
      createdAtMs: Date.now(),
      tree: found,
      limits,
      memoryBytes: spec.memoryBytes,
      pids: spec.pids,
    })
    return { address, tree: found, limits }
  }

  async function placeTree(
    spec: SandboxSpec,
    tree: TreeRecord | undefined,
  ): Promise<'fresh' | 'kept'> {
    const { computeId, generation, groupId } = spec
    const kept = tree?.complete === true
    if (!kept) {
      await discard(paths, paths.tree(computeId))
      await makeOwned(computeId, [paths.tree(computeId)])
      await makeOwned(computeId, [
        path.join(paths.tree(computeId), 'home'),
        path.join(paths.tree(computeId), 'env'),
      ])
    }
    await writeRecord<TreeRecord>(paths.treeRecord(computeId), {
      generation,
      complete: kept,
      groupId,
      createdAtMs: kept ? tree.createdAtMs : Date.now(),
    })
    return kept ? 'kept' : 'fresh'
  }

  async function endGeneration(ref: SandboxRef): Promise<void> {
    const folder = paths.generation(ref.computeId, ref.generation)
    const record = await readRecord<SandboxRecord>(
      paths.sandboxRecord(ref.computeId, ref.generation),
    )
    if (record !== undefined) await killAndWait(record)
    if (record === undefined || config.unsafeNoIsolation) await endStrays(folder, record)
    if (config.cgroup !== null) await removeCgroup(config.cgroup, ref)
    await discard(paths, folder)
  }

  /** Processes a launch left that died before writing its record, and whole sessions of plain ones. */
  async function endStrays(folder: string, record: SandboxRecord | undefined): Promise<void> {
    const strays = await findByCommandLine(`${folder}/`)
    const sessions = new Set([...strays.map((stray) => stray.sessionId), record?.pid])
    if (strays.length === 0 && !config.unsafeNoIsolation) return
    const all = await allProcesses()
    for (const stray of strays) await killAndWait(stray)
    if (config.unsafeNoIsolation)
      for (const other of all) if (sessions.has(other.sessionId)) kill(other.pid)
  }

  async function generations(computeId: string): Promise<readonly number[]> {
    const names = await listFolder(paths.compute(computeId))
    return names.filter((name) => /^\d+$/.test(name)).map(Number)
  }

  async function sandboxesOf(computeId: string): Promise<readonly LiveSandbox[]> {
    const tree = await readRecord<TreeRecord>(paths.treeRecord(computeId))
    const started = (await generations(computeId)).map(async (generation): Promise<LiveSandbox> => {
      const record = await readRecord<SandboxRecord>(paths.sandboxRecord(computeId, generation))
      const outOfMemory = await readRecord<OutOfMemoryRecord>(
        paths.outOfMemory(computeId, generation),
      )
      return {
        computeId,
        generation,
        groupId: record?.groupId ?? tree?.groupId ?? '',
        createdAtMs: record?.createdAtMs ?? tree?.createdAtMs ?? 0,
        running: record !== undefined && (await isAlive(record)),
        ...(outOfMemory === undefined ? {} : { outOfMemoryAtMs: outOfMemory.atMs }),
      }
    })
    const sandboxes = await Promise.all(started)
    if (sandboxes.length > 0 || tree === undefined) return sandboxes
    const { generation, groupId, createdAtMs } = tree
    return [{ computeId, generation, groupId, createdAtMs, running: false }]
  }
}
