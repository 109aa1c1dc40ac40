/** Puts one sandbox together and starts it; who may call when is runtime.ts's business. */
import { chown, mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { SandboxSpec } from '../../ports.ts'
import { bubblewrapArgs, sidekickArgv, type HostPath, type Walls } from './bubblewrap.ts'
import { cgroupParent, type CgroupParent } from './cgroup.ts'
import { findHostPaths, hostUid, writeEtc } from './host.ts'
import { INFO_FD, launchBubblewrap, launchPlain } from './launch.ts'
import type { ProcessId } from './processes.ts'
import { installSidekick } from './sidekick-folder.ts'
import type { StatePaths } from './state.ts'

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

export interface Starter {
  /** Errors: ProvisionFailed. */
  start(spec: SandboxSpec): Promise<ProcessId & { readonly enforced: boolean }>
  /** Folders that belong to the compute's user. */
  makeOwned(computeId: string, folders: readonly string[]): Promise<void>
  /** Arguments for bubblewrap that try every kind of wall once. */
  probeArgs(): Promise<readonly string[]>
}

const IS_ROOT = process.getuid?.() === 0

export const createStarter = (config: LocalRuntimeConfig, paths: StatePaths): Starter => {
  let hostPaths: Promise<readonly HostPath[]> | undefined
  let cgroup: Promise<CgroupParent | null> | undefined
  let sidekick: Promise<string> | undefined
  const user = (computeId: string): Walls['user'] => (IS_ROOT ? hostUid(computeId) : 'namespace')
  return { start, makeOwned, probeArgs }

  /** Once per worker; a failed copy is tried again at the next start. */
  function installedSidekick(): Promise<string> {
    return (sidekick ??= installSidekick(config.stateDir, config.sidekickDir).catch(
      (error: unknown) => {
        sidekick = undefined
        throw error
      },
    ))
  }

  async function start(spec: SandboxSpec): ReturnType<Starter['start']> {
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

  async function probeArgs(): Promise<readonly string[]> {
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
        hostPaths: await (hostPaths ??= findHostPaths()),
      },
      ['/bin/sh', '-c', 'test -r /etc/passwd && : > /home/user/probe'],
    )
  }
}
