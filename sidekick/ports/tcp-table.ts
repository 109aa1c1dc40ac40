export type Host = '127.0.0.1' | '::1'

export interface Listening {
  readonly port: number
  readonly inode: number
  /** Loopback addresses at which it answers; the last of them surely, one before it if it takes IPv4 too. */
  readonly hosts: readonly Host[]
}

const LISTEN = '0A'

/** By the local address as the kernel writes it. On every other address it answers to neither. */
const HOSTS: Readonly<Record<string, readonly Host[]>> = {
  '00000000': ['127.0.0.1'],
  '0100007F': ['127.0.0.1'],
  '00000000000000000000000000000000': ['127.0.0.1', '::1'],
  '00000000000000000000000001000000': ['::1'],
  // IPv4 on a socket of IPv6, as Java opens them.
  '0000000000000000FFFF000000000000': ['127.0.0.1'],
  '0000000000000000FFFF00000100007F': ['127.0.0.1'],
}

/** Listening sockets of /proc/net/tcp or tcp6; lines that make no sense are left out. */
export const parseTcpTable = (text: string): readonly Listening[] =>
  text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const [address = '', hexPort = ''] = (fields[1] ?? '').split(':')
    const port = Number.parseInt(hexPort, 16)
    const hosts = HOSTS[address]
    if (fields[3] !== LISTEN || !(port > 0) || hosts === undefined) return []
    return [{ port, inode: Number(fields[9]), hosts }]
  })
