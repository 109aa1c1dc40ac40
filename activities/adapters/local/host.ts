/** What of this machine's own files a sandbox may read, found once. */
import { createHash } from 'node:crypto'
import { lstat, mkdir, readlink, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ETC_PATHS, type HostPath } from './bubblewrap.ts'

const SYSTEM_PATHS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

export const findHostPaths = async (): Promise<readonly HostPath[]> => {
  const system = await Promise.all(SYSTEM_PATHS.map(hostPath))
  // Links in /etc (resolv.conf, localtime) are bound as what they point to.
  const etc = await Promise.all(
    ETC_PATHS.map((name) => `/etc/${name}`).map(async (file): Promise<HostPath | undefined> =>
      (await exists(file)) ? { kind: 'folder', path: file } : undefined,
    ),
  )
  return [...system, ...etc].filter((found) => found !== undefined)
}

const hostPath = async (file: string): Promise<HostPath | undefined> => {
  const stat = await lstat(file).catch(() => undefined)
  if (stat === undefined) return undefined
  return stat.isSymbolicLink()
    ? { kind: 'link', path: file, target: await readlink(file) }
    : { kind: 'folder', path: file }
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

const FIRST_UID = 2_000_000
const UID_COUNT = 1_000_000

/** A compute's own uid on a host where root launches it: nobody else's, the same at every start. */
export const hostUid = (computeId: string): number =>
  FIRST_UID + (createHash('sha256').update(computeId).digest().readUInt32BE(0) % UID_COUNT)

/** The generated half of /etc. */
export const writeEtc = async (folder: string, uid: number, hostname: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const files = {
    passwd: `user:x:${uid}:${uid}:user:/home/user:/bin/bash\nroot:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    group: `user:x:${uid}:\nroot:x:0:\nnogroup:x:65534:\n`,
    hosts: `127.0.0.1 localhost ${hostname}\n::1 localhost\n`,
    hostname: `${hostname}\n`,
  }
  await Promise.all(
    Object.entries(files).map(([name, text]) =>
      writeFile(path.join(folder, name), text, { mode: 0o644 }),
    ),
  )
}
