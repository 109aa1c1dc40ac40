/** Who is at the other end of a connection on this machine: one of ours, or a process in a sandbox? */
import { readFile, readdir, readlink } from 'node:fs/promises'

/** An accepted socket, or as much of one as says where its two ends are. */
export interface Connection {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

const ESTABLISHED = '01'

/**
 * False for sandboxes, for other users, and for what cannot be made out. Both ends must be 127.0.0.1: every
 * other loopback address has the same port numbers once more, and anybody may take one that a friend has.
 */
export const isFriend = async (connection: Connection): Promise<boolean> => {
  const peer = await peerOf(connection)
  if (peer === undefined) return false
  const ownUid = process.getuid?.()
  if (ownUid === 0) return peer.uid === 0 || (await isAccount(peer.uid))
  if (peer.uid === 0) return true
  // Without root a sandbox has our uid, in a user namespace of its own.
  return peer.uid === ownUid && (await isInOurNamespace(peer.inode))
}

/** Uid and inode of the socket at the other end; undefined when there is none. */
const peerOf = async (
  connection: Connection,
): Promise<{ readonly uid: number; readonly inode: string } | undefined> => {
  const { localAddress, localPort, remoteAddress, remotePort } = connection
  if (!isLoopback(localAddress) || !isLoopback(remoteAddress)) return undefined
  if (localPort === undefined || remotePort === undefined) return undefined
  // A client may have dialled the same from a socket of IPv6.
  for (const [file, loopback] of [
    ['/proc/net/tcp', V4_LOOPBACK],
    ['/proc/net/tcp6', MAPPED_LOOPBACK],
  ] as const) {
    const [from, to] = [remotePort, localPort].map((port) => `${loopback}:${hex(port)}`)
    for (const line of (await readFile(file, 'utf8').catch(() => '')).split('\n')) {
      const columns = line.trim().split(/\s+/)
      const [, local, remote, state, , , , uid, , inode] = columns
      if (local !== from || remote !== to || state !== ESTABLISHED) continue
      // A socket that no process holds is listed as root's.
      return inode === undefined || inode === '0' ? undefined : { uid: Number(uid), inode }
    }
  }
  return undefined
}

const V4_LOOPBACK = '0100007F'
const MAPPED_LOOPBACK = `0000000000000000FFFF0000${V4_LOOPBACK}`

const isLoopback = (address: string | undefined): boolean =>
  address === '127.0.0.1' || address === '::ffff:127.0.0.1'

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

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
