/** The command line that makes one sandbox: pure, so that every hole in the wall can be read here. */
import path from 'node:path'
import { SIDEKICK_NODE_FLAGS } from '../../../sidekick/launch.ts'

export interface Walls {
  /** Host folders. */
  readonly home: string
  readonly env: string
  readonly run: string
  readonly scratch: string
  readonly etc: string
  /** Read-only at /.dormouse. */
  readonly sidekickDir: string
  /** Node outside of `sidekickDir`, shown as /.node; null: it is /.dormouse/node. */
  readonly sidekickNode: string | null
  readonly network: 'shared' | 'none'
  /** `namespace`: own user namespace, uid 1000. A number: that uid of the host (launched by root). */
  readonly user: 'namespace' | number
  readonly hostname: string
  readonly pids: number
  /** Of the host, those that exist: /etc/ssl, /etc/resolv.conf, /lib … */
  readonly hostPaths: readonly HostPath[]
}

export type HostPath =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

const INSIDE_HOME = '/home/user'
const INSIDE_ENV = '/opt/env'
const OUTER_NODE = '/.node'
const INSIDE_SOCKET = '/run/dormouse/sidekick.sock'
/** The sidekick puts /opt/env's bin folders before it. */
const PLAIN_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const SHM_BYTES = 256 * 1024 * 1024
const RUN_BYTES = 16 * 1024 * 1024

/** Parts of /etc a program needs to run; nothing that may hold a credential (pip.conf, gitconfig, environment). */
export const ETC_PATHS = [
  'alternatives',
  'ca-certificates',
  'crypto-policies',
  'fonts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'login.defs',
  'magic',
  'mime.types',
  'nsswitch.conf',
  'pki',
  'profile.d',
  'protocols',
  'resolv.conf',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
] as const

export const bubblewrapArgs = (walls: Walls, argv: readonly string[]): readonly string[] => [
  ...namespaces(walls),
  // What bubblewrap makes unasked, on the way to a mount, only its maker may enter.
  ...['/etc', '/etc/ssl', '/home', '/opt'].flatMap((folder) => [
    '--perms',
    '0755',
    '--dir',
    folder,
  ]),
  ...walls.hostPaths.flatMap((entry) =>
    entry.kind === 'link'
      ? ['--symlink', entry.target, entry.path]
      : ['--ro-bind', entry.path, entry.path],
  ),
  ...['passwd', 'group', 'hosts', 'hostname'].flatMap((name) => [
    '--ro-bind',
    path.join(walls.etc, name),
    `/etc/${name}`,
  ]),
  ...['--proc', '/proc', '--dev', '/dev'],
  ...['--perms', '1777', '--size', String(SHM_BYTES), '--tmpfs', '/dev/shm'],
  ...['--size', String(RUN_BYTES), '--tmpfs', '/run'],
  ...['--bind', walls.run, '/run/dormouse'],
  ...['--bind', walls.scratch, '/tmp', '--dir', '/var', '--symlink', '../tmp', '/var/tmp'],
  ...['--bind', walls.home, INSIDE_HOME, '--bind', walls.env, INSIDE_ENV],
  ...['--ro-bind', walls.sidekickDir, '/.dormouse'],
  ...(walls.sidekickNode === null ? [] : ['--ro-bind', walls.sidekickNode, OUTER_NODE]),
  // Else / itself is a tmpfs the user could fill.
  ...['--remount-ro', '/'],
  ...['--clearenv', '--chdir', '/'],
  ...Object.entries(environment(walls.hostname)).flatMap(([name, value]) => [
    '--setenv',
    name,
    value,
  ]),
  '--',
  ...becomeUser(walls),
  ...argv,
]

const namespaces = (walls: Walls): readonly string[] => [
  // No --die-with-parent: computes outlive a stopped stack and are adopted.
  ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--new-session'],
  ...['--hostname', walls.hostname],
  ...(walls.network === 'none' ? ['--unshare-net'] : []),
  ...(walls.user === 'namespace'
    ? ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000']
    : ['--cap-drop', 'ALL', ...keep('CAP_SETUID'), ...keep('CAP_SETGID'), ...keep('CAP_SETPCAP')]),
]

const keep = (capability: string): readonly string[] => ['--cap-add', capability]

/**
 * Root's own user namespace maps the user inside to the host's root, to whom /proc/sys is writable
 * without any capability. So root uses no user namespace but a uid that nobody else has.
 */
const becomeUser = (walls: Walls): readonly string[] =>
  walls.user === 'namespace'
    ? []
    : [
        ...['/usr/bin/prlimit', '--core=0', `--nproc=${walls.pids}`],
        ...['/usr/bin/setpriv', `--reuid=${walls.user}`, `--regid=${walls.user}`, '--clear-groups'],
        ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--'],
      ]

/** What runs inside: the sidekick. */
export const sidekickArgv = (
  sidekickNode: string | null,
  network: Walls['network'],
): readonly string[] => [
  sidekickNode === null ? '/.dormouse/node' : OUTER_NODE,
  ...SIDEKICK_NODE_FLAGS,
  ...['/.dormouse/sidekick.mjs', '--socket', INSIDE_SOCKET, '--own-pid-namespace'],
  ...(network === 'none' ? ['--own-network'] : []),
]

const environment = (hostname: string): Readonly<Record<string, string>> => ({
  HOME: INSIDE_HOME,
  USER: 'user',
  LOGNAME: 'user',
  SHELL: '/bin/bash',
  PATH: PLAIN_PATH,
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
  HOSTNAME: hostname,
})
