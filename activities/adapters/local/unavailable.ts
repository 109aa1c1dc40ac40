import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const PROBE_MS = 10_000

/** Why sandboxes cannot be made here, and the one command that mends it; null when they can. */
export const whyUnavailable = async (
  bwrap: string,
  probeArgs: readonly string[],
): Promise<string | null> => {
  if (process.platform !== 'linux')
    return `the local runtime needs Linux, this is ${process.platform}; use the kubernetes runtime`
  try {
    await promisify(execFile)(bwrap, [...probeArgs], { env: {}, timeout: PROBE_MS })
    return null
  } catch (error) {
    return explain(error as NodeJS.ErrnoException & { stderr?: string }, await readSwitches())
  }
}

export interface Switches {
  readonly restrictedByAppArmor: boolean
  readonly maxUserNamespaces: number | null
  readonly unprivilegedClone: boolean
  readonly root: boolean
}

export const explain = (
  error: { readonly code?: string | number | undefined; readonly stderr?: string },
  switches: Switches,
): string => {
  if (error.code === 'ENOENT')
    return 'bubblewrap is not installed; run: sudo apt-get install -y bubblewrap'
  const said = (error.stderr ?? '').trim().split('\n').at(-1) ?? ''
  if (/unknown option/i.test(said))
    return `bubblewrap is too old (${said}); version 0.8 or newer is needed: npm run -s start fetches one`
  if (!switches.root && switches.restrictedByAppArmor)
    return `AppArmor forbids user namespaces (${said}); run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`
  if (!switches.root && !switches.unprivilegedClone)
    return `the kernel forbids user namespaces (${said}); run: sudo sysctl -w kernel.unprivileged_userns_clone=1`
  if (!switches.root && switches.maxUserNamespaces === 0)
    return `user namespaces are switched off (${said}); run: sudo sysctl -w user.max_user_namespaces=15000`
  if (/setpriv|prlimit/.test(said))
    return `util-linux is missing (${said}); run: apt-get install -y util-linux`
  return `bubblewrap cannot make a sandbox here: ${said || String(error.code)}; inside a container start that with --privileged, or use the kubernetes runtime`
}

const readSwitches = async (): Promise<Switches> => {
  const number = async (file: string): Promise<number | null> => {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    return text === undefined ? null : Number(text)
  }
  return {
    restrictedByAppArmor:
      (await number('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')) === 1,
    maxUserNamespaces: await number('/proc/sys/user/max_user_namespaces'),
    unprivilegedClone: (await number('/proc/sys/kernel/unprivileged_userns_clone')) !== 0,
    root: process.getuid?.() === 0,
  }
}
