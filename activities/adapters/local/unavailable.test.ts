import { describe, expect, it } from 'vitest'
import { explain, type Switches } from './unavailable.ts'

const fine: Switches = {
  restrictedByAppArmor: false,
  maxUserNamespaces: 10_000,
  unprivilegedClone: true,
  root: false,
}
const refused = { code: 1, stderr: 'bwrap: setting up uid map: Permission denied\n' }

describe('why a machine cannot isolate, and the one command that mends it', () => {
  it.each([
    ['bubblewrap is missing', { code: 'ENOENT' }, fine, /apt-get install -y bubblewrap/],
    [
      'AppArmor forbids it',
      refused,
      { ...fine, restrictedByAppArmor: true },
      /sysctl -w kernel\.apparmor_restrict_unprivileged_userns=0/,
    ],
    [
      'the kernel forbids it',
      refused,
      { ...fine, unprivilegedClone: false },
      /sysctl -w kernel\.unprivileged_userns_clone=1/,
    ],
    [
      'namespaces are used up or off',
      refused,
      { ...fine, maxUserNamespaces: 0 },
      /sysctl -w user\.max_user_namespaces=/,
    ],
    [
      'util-linux is missing',
      { code: 1, stderr: 'bwrap: execvp /usr/bin/setpriv: No such file or directory' },
      { ...fine, root: true },
      /util-linux/,
    ],
    ['it runs in a container', refused, { ...fine, root: true }, /--privileged/],
  ] as const)('%s', (_name, error, switches, command) => {
    expect(explain(error, switches)).toMatch(command)
  })

  it('does not blame switches that do not concern root', () => {
    const message = explain(refused, { ...fine, root: true, restrictedByAppArmor: true })
    expect(message).not.toMatch(/sysctl/)
    expect(message).toMatch(/Permission denied/)
  })
})
