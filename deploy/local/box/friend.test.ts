import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isFriend } from './friend.ts'

/** No account has it, as with the users of sandboxes. */
const STRANGER = 2_000_123_456

describe('at the door of a box', () => {
  let door: Server
  let port: number
  const sockets: Socket[] = []
  const children: ChildProcess[] = []
  beforeEach(async () => {
    door = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(door, 'listening')
    port = (door.address() as AddressInfo).port
  })
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const child of children.splice(0)) child.kill('SIGKILL')
    door.close()
  })

  const accepted = async (): Promise<Socket> => {
    const [socket] = (await once(door, 'connection')) as [Socket]
    sockets.push(socket)
    return socket
  }
  const dial = async (host: string, localAddress?: string, localPort?: number): Promise<Socket> => {
    const arrival = accepted()
    const socket = connect({
      host,
      port,
      ...(localAddress && { localAddress }),
      ...(localPort && { localPort }),
    })
    sockets.push(socket.on('error', () => {}))
    return arrival
  }

  it('a process of ours is let in, also when it dialled from a socket of IPv6', async () => {
    expect(await isFriend(await dial('127.0.0.1'))).toBe(true)
    expect(await isFriend(await dial('::ffff:127.0.0.1'))).toBe(true)
  })

  it('another loopback address with the port of a friend is not taken for the friend', async () => {
    const friend = await dial('127.0.0.1')
    const other = await dial('127.0.0.1', '127.0.0.2', friend.remotePort)
    expect(other).toMatchObject({ remoteAddress: '127.0.0.2', remotePort: friend.remotePort })
    expect(await isFriend(other)).toBe(false)
    expect(await isFriend(friend)).toBe(true)
  })

  it('a connection that has ended is nobody', async () => {
    const socket = await dial('127.0.0.1')
    const ends = addresses(socket)
    sockets.forEach((one) => one.destroy())
    expect(await isFriend(ends)).toBe(false)
    expect(await isFriend({ ...ends, remoteAddress: undefined })).toBe(false)
  })

  it.skipIf(process.getuid?.() !== 0)(
    'a user without an account is refused, by its own port and by that of a friend',
    async () => {
      const friend = await dial('127.0.0.1')
      for (const [address, from] of [
        ['127.0.0.1', 0],
        ['127.0.0.2', friend.remotePort],
      ] as const) {
        const arrival = accepted()
        const program = `require('net').connect({host:'127.0.0.1',port:${port},localAddress:'${address}',localPort:${from}})`
        children.push(spawn(process.execPath, ['-e', program], { uid: STRANGER, gid: STRANGER }))
        expect([address, await isFriend(await arrival)]).toEqual([address, false])
      }
    },
  )
})

const addresses = ({ localAddress, localPort, remoteAddress, remotePort }: Socket) => ({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
})
