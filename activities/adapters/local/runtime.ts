import { chown, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { DormouseError } from '../../../workflows/errors.ts'
import type { LiveSandbox, Runtime, Sandbox, SandboxRef, SandboxSpec } from '../../ports.ts'
import { bubblewrapArgs, sidekickArgv, type HostPath, type Walls } from './bubblewrap.ts'
import { cgroupParent, removeCgroup, type CgroupParent } from './cgroup.ts'
import { findHostPaths, hostUid, writeEtc } from './host.ts'
import { INFO_FD, launchBubblewrap, launchPlain } from './launch.ts'
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
import { installSidekick } from './sidekick-folder.ts'
import { whyUnavailable } from './unavailable.ts'

export interface LocalRuntimeConfig {
  readonly stateDir: string
  /** Path or name of bubblewrap. */
  readonly bwrap: string
  readonly sidekickDir: string
  /** Node with zstd; null: `node` in `sidekickDir`. */
  readonly sidekickNode: string | null
  /** Plain processes without any wall. */
  readonly unsafeNoIsolation: boolean
  /** A delegated cgroup v2 folder without processes of its own; null: limits are watched. */
  readonly cgroup: string | null
}

const IS_ROOT = process.getuid?.() === 0
/** A Unix socket's path may have 107 bytes; what we add to `stateDir` has up to 60. */
const LONGEST_SOCKET_PATH = 107

/** Runs computes on this machine; see state.ts for what it keeps where. */
export const createLocalRuntime = (config: LocalRuntimeConfig): Runtime => {
  const paths = statePaths(config.stateDir)
  let hostPaths: Promise<readonly HostPath[]> | undefined
  let cgroup: Promise<CgroupParent | null> | undefined
  let sidekick: Promise<string> | undefined
  const user = (computeId: string): Walls['user'] => (IS_ROOT ? hostUid(computeId) : 'namespace')
  const locked = <T>(computeId: string, work: () => Promise<T>): Promise<T> =>
    withLock(path.join(config.stateDir, 'locks', computeId), work)
  void emptyTrash(paths).catch(() => undefined)

  return {
    name: 'local',

    async unavailable() {
      if (Buffer.byteLength(paths.socket('x'.repeat(20), 99_999)) > LONGEST_SOCKET_PATH)
        return `the path ${config.stateDir} is too long for Unix sockets; set DORMOUSE_STATE_DIR to a shorter one`
      if (config.unsafeNoIsolation) return null
      return whyUnavailable(config.bwrap, await probeArgs(await (hostPaths ??= findHostPaths())))
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

  /** Once per worker; a failed copy is tried again at the next start. */
  function installedSidekick(): Promise<string> {
    return (sidekick ??= installSidekick(config.stateDir, config.sidekickDir).catch(
      (error: unknown) => {
        sidekick = undefined
        throw error
      },
    ))
  }

  async function start(spec: SandboxSpec) {
    const { computeId, generation } = spec
    const folder = paths.generation(computeId, generation)
    const run = paths.run(computeId, generation)
    const scratch = path.join(folder, 'tmp')
    const etc = path.join(folder, 'etc')
    const log = path.join(folder, 'sidekick.log')
    const tree = paths.tree(computeId)
    const as = user(computeId)
    const hostname = computeId
    const sidekickDir = await installedSidekick()
    await makeOwned(computeId, [run, scratch])
    if (config.unsafeNoIsolation) {
      const node = config.sidekickNode ?? path.join(sidekickDir, 'node')
      const argv = [
        ...[node, path.join(sidekickDir, 'sidekick.mjs')],
        ...['--socket', paths.socket(computeId, generation)],
        ...['--home', path.join(tree, 'home'), '--env-dir', path.join(tree, 'env')],
        ...['--scratch', scratch],
      ]
      const env = { PATH: process.env['PATH'] ?? '', HOME: path.join(tree, 'home') }
      const first = await launchPlain(argv, { cwd: path.join(tree, 'home'), env }, log)
      return { ...first, enforced: false }
    }
    const uid = as === 'namespace' ? 1000 : as
    const [, found] = await Promise.all([
      writeEtc(etc, uid, hostname),
      (hostPaths ??= findHostPaths()),
    ])
    const args = bubblewrapArgs(
      {
        home: path.join(tree, 'home'),
        env: path.join(tree, 'env'),
        run,
        scratch,
        etc,
        sidekickDir,
        sidekickNode: config.sidekickNode,
        network: spec.network,
        user: as,
        hostname,
        pids: spec.pids,
        hostPaths: found,
      },
      sidekickArgv(config.sidekickNode, spec.network),
    )
    const parent = await (cgroup ??= cgroupParent(config.cgroup))
    const command = [config.bwrap, ...INFO_FD, ...args]
    const first = await launchBubblewrap(
      parent === null ? command : await parent.wrap(spec, command),
      log,
    )
    return { ...first, enforced: parent !== null }
  }

  async function makeOwned(computeId: string, folders: readonly string[]): Promise<void> {
    const owner = user(computeId)
    for (const folder of folders) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      if (owner !== 'namespace') await chown(folder, owner, owner)
    }
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

  async function probeArgs(found: readonly HostPath[]): Promise<readonly string[]> {
    const folder = path.join(config.stateDir, 'probe')
    const at = (name: string): string => path.join(folder, name)
    for (const name of ['home', 'env', 'run', 'tmp', 'sidekick'])
      await mkdir(at(name), { recursive: true, mode: 0o700 })
    const as = user('probe')
    await writeEtc(at('etc'), as === 'namespace' ? 1000 : as, 'probe')
    if (as !== 'namespace') await chown(at('home'), as, as)
    return bubblewrapArgs(
      {
        home: at('home'),
        env: at('env'),
        run: at('run'),
        scratch: at('tmp'),
        etc: at('etc'),
        sidekickDir: at('sidekick'),
        sidekickNode: null,
        network: 'none',
        user: as,
        hostname: 'probe',
        pids: 64,
        hostPaths: found,
      },
      ['/bin/sh', '-c', 'test -r /etc/passwd && : > /home/user/probe'],
    )
  }
}
