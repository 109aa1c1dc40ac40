export interface Listening {
  readonly port: number
  readonly inode: number
  /** The loopback address at which it can be dialled. */
  readonly host: '127.0.0.1' | '::1'
}

const LISTEN = '0A'
const V6_LOOPBACK = '00000000000000000000000001000000'

/** Listening sockets of /proc/net/tcp or tcp6; lines that make no sense are left out. */
export const parseTcpTable = (text: string): readonly Listening[] =>
  text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const [address = '', hexPort = ''] = (fields[1] ?? '').split(':')
    const port = Number.parseInt(hexPort, 16)
    if (fields[3] !== LISTEN || !(port > 0)) return []
    return [{ port, inode: Number(fields[9]), host: address === V6_LOOPBACK ? '::1' : '127.0.0.1' }]
  })
