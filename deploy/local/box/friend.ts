/** Who is at the other end of a connection on this machine: one of ours, or a process in a sandbox? */
import { readFile, readdir, readlink } from 'node:fs/promises'

const ESTABLISHED = '01'

/** False for sandboxes, for other users, and for what cannot be made out. */
export const isFriend = async (peerPort: number, ownPort: number): Promise<boolean> => {
  const peer = await peerOf(peerPort, ownPort)
  if (peer === undefined) return false
  const ownUid = process.getuid?.()
  if (ownUid === 0) return peer.uid === 0 || (await isAccount(peer.uid))
  if (peer.uid === 0) return true
  // Without root a sandbox has our uid, in a user namespace of its own.
  return peer.uid === ownUid && (await isInOurNamespace(peer.inode))
}

/** Uid and inode of the socket that is at `peerPort` and connected to `ownPort`. */
const peerOf = async (
  peerPort: number,
  ownPort: number,
): Promise<{ readonly uid: number; readonly inode: string } | undefined> => {
  const table = await readFile('/proc/net/tcp', 'utf8')
  const [local, remote] = [endpoint(peerPort), endpoint(ownPort)]
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/)
    if (columns[1] === local && columns[2] === remote && columns[3] === ESTABLISHED)
      return { uid: Number(columns[7]), inode: columns[9] ?? '' }
  }
  return undefined
}

/** Root gives each sandbox a uid that no account has. */
const isAccount = async (uid: number): Promise<boolean> =>
  (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .some((line) => Number(line.split(':')[2] || -1) === uid)

const isInOurNamespace = async (inode: string): Promise<boolean> => {
  const ours = await readlink('/proc/self/ns/user')
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => []))
      if ((await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')) === `socket:[${inode}]`)
        return (await readlink(`/proc/${pid}/ns/user`).catch(() => '')) === ours
  }
  return false
}

const endpoint = (port: number): string =>
  `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
