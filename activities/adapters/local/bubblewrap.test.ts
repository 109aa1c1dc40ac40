import { describe, expect, it } from 'vitest'
import { bubblewrapArgs, sidekickArgv, type Walls } from './bubblewrap.ts'

const walls: Walls = {
  home: '/state/c/tree/home',
  env: '/state/c/tree/env',
  run: '/state/c/1/run',
  scratch: '/state/c/1/tmp',
  etc: '/state/c/1/etc',
  sidekickDir: '/dist/sidekick',
  sidekickNode: null,
  network: 'none',
  user: 'namespace',
  hostname: 'c',
  pids: 64,
  hostPaths: [
    { kind: 'folder', path: '/usr' },
    { kind: 'link', path: '/bin', target: 'usr/bin' },
  ],
}
const args = (over: Partial<Walls> = {}) =>
  bubblewrapArgs({ ...walls, ...over }, ['/.dormouse/node'])
const pairs = (flag: string, all: readonly string[]) =>
  all.flatMap((arg, at) => (arg === flag ? [[all[at + 1], all[at + 2]]] : []))

describe('the wall of a sandbox', () => {
  it('has only four writable folders of the host, all of them this compute’s own', () => {
    expect(pairs('--bind', args())).toEqual([
      ['/state/c/1/run', '/run/dormouse'],
      ['/state/c/1/tmp', '/tmp'],
      ['/state/c/tree/home', '/home/user'],
      ['/state/c/tree/env', '/opt/env'],
    ])
  })

  it('passes nothing of the worker’s environment and outlives the worker', () => {
    expect(args()).toContain('--clearenv')
    expect(args()).toContain('--new-session')
    expect(args()).not.toContain('--die-with-parent')
  })

  it('without root is a user namespace in which no further one can be made', () => {
    expect(args()).toEqual(expect.arrayContaining(['--unshare-user', '--disable-userns']))
    expect(args().slice(args().indexOf('--') + 1)).toEqual(['/.dormouse/node'])
  })

  it('launched by root is never root inside: a uid of its own, without any capability', () => {
    const rooted = args({ user: 2_000_007 })
    expect(rooted).not.toContain('--unshare-user')
    const command = rooted.slice(rooted.indexOf('--') + 1)
    expect(command).toEqual(
      expect.arrayContaining([
        '--reuid=2000007',
        '--clear-groups',
        '--bounding-set=-all',
        '--nproc=64',
      ]),
    )
    expect(command.at(-1)).toBe('/.dormouse/node')
  })

  it('shares the network only when the compute may have it', () => {
    expect(args()).toContain('--unshare-net')
    expect(args({ network: 'shared' })).not.toContain('--unshare-net')
    expect(sidekickArgv(null, 'none')).toContain('--own-network')
    expect(sidekickArgv(null, 'shared')).not.toContain('--own-network')
  })
})
