import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { SIDEKICK_NODE_FLAGS } from '../launch.ts'
import type { StartOptions } from './sidekick-for-tests.ts'
import { makeFolder } from './trees-for-tests.ts'

const BWRAP = join(process.env['DORMOUSE_BIN'] ?? join(homedir(), '.cache/dormouse/bin'), 'bwrap')

/**
 * The sidekick as it ships, in a sandbox with namespaces of its own and no network at all: what
 * leads out is the folder its Unix socket lies in.
 */
export const sandboxed = async (): Promise<StartOptions> => {
  const shipped = join(makeFolder(), 'sidekick')
  const buildFile = new URL('../../deploy/build/sidekick.mjs', import.meta.url).href
  const { buildSidekick } = (await import(buildFile)) as {
    buildSidekick: (outDir: string) => Promise<void>
  }
  await buildSidekick(shipped)
  return {
    command: [
      '/.dormouse/node',
      ...SIDEKICK_NODE_FLAGS,
      '/.dormouse/sidekick.mjs',
      '--own-pid-namespace',
      '--own-network',
    ],
    wrap: (command, folders) => [
      existsSync(BWRAP) ? BWRAP : 'bwrap',
      ...['--unshare-all', '--unshare-user', '--uid', '1000', '--gid', '1000', '--die-with-parent'],
      ...['--ro-bind', '/usr', '/usr', '--ro-bind', '/etc', '/etc'],
      ...['lib', 'lib64', 'bin', 'sbin'].flatMap((name) => [
        '--symlink',
        `usr/${name}`,
        `/${name}`,
      ]),
      ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
      ...['--ro-bind', shipped, '/.dormouse'],
      ...folders.flatMap((folder) => ['--bind', folder, folder]),
      ...['--clearenv', '--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin'],
      ...command,
    ],
  }
}
