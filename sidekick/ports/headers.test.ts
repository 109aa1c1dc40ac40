import { describe, expect, it } from 'vitest'
import { closeFrame, FrameMeter } from './frame-meter.ts'
import { requestHeaders } from './headers.ts'
import { parseTcpTable } from './tcp-table.ts'

describe('headers to a user’s server', () => {
  it('lose what is hop-by-hop, named by Connection or not, and keep order and repeats', () => {
    const raw = ['Host', 'x', 'Connection', 'keep-alive, X-Mine', 'X-Mine', '1', 'TE', 'trailers']
    expect(requestHeaders([...raw, 'A', '1', 'Cookie', 'c', 'A', '2'])).toEqual([
      ...['Host', 'x', 'A', '1', 'Cookie', 'c', 'A', '2'],
    ])
  })
})

describe('a frame meter', () => {
  it('tells data from control frames however the bytes are cut', () => {
    const text = Buffer.concat([Buffer.from([0x81, 126, 1, 0]), Buffer.alloc(256)])
    const ping = Buffer.from([0x89, 0x82, 1, 2, 3, 4, 9, 9])
    const meter = new FrameMeter()
    const saw = (bytes: Buffer) => [...bytes].map((byte) => meter.sawData(Buffer.from([byte])))
    expect(saw(ping)).not.toContain(true)
    expect(meter.atBoundary).toBe(true)
    expect(saw(text)).toContain(true)
    expect(meter.atBoundary).toBe(true)
    expect(meter.sawData(closeFrame(4410, 'hibernated'))).toBe(false)
    expect(meter.atBoundary).toBe(true)
    expect(meter.sawData(Buffer.concat([ping, text.subarray(0, 100)]))).toBe(true)
    expect(meter.atBoundary).toBe(false)
  })
})

describe('a table of sockets', () => {
  it('gives listening ports with the loopback address that reaches them', () => {
    const text = `  sl  local_address rem_address   st
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1
   2: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 333 1
   3: 00000000000000000000000001000000:14E9 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 444 1
   4: 00000000000000000000000000000000:14EA 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 555 1
   5: 0200007F:14EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 666 1
   6: 0A00000A:14EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1
   7: 0000000000000000FFFF00000100007F:14ED 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 888 1
   8: 0000000000000000FFFF00000200007F:14EE 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 999 1`
    expect(parseTcpTable(text)).toEqual([
      { port: 8080, inode: 111, hosts: ['127.0.0.1'] },
      { port: 80, inode: 222, hosts: ['127.0.0.1'] },
      { port: 5353, inode: 444, hosts: ['::1'] },
      { port: 5354, inode: 555, hosts: ['127.0.0.1', '::1'] },
      { port: 5357, inode: 888, hosts: ['127.0.0.1'] },
    ])
  })
})
