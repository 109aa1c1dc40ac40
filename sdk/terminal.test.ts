import { beforeEach, describe, expect, it, vi } from 'vitest'
import { CLOSE_HIBERNATED, TerminalFrame, type TerminalHello } from '../sidekick/protocol.ts'
import { openTerminal, type Terminal, type TerminalStatus, type Verdict } from './terminal.ts'
import type { Socket } from './terminal-socket.ts'

/** A socket whose other end is the test. */
class FakeSocket implements Socket {
  binaryType = ''
  readyState = 1
  sent: Uint8Array[] = []
  onmessage: Socket['onmessage'] = null
  onclose: Socket['onclose'] = null
  onerror: Socket['onerror'] = null
  readonly query: URLSearchParams
  constructor(query: URLSearchParams) {
    this.query = query
  }
  send(data: Uint8Array): void {
    this.sent.push(data)
  }
  close(): void {
    this.readyState = 3
  }
  say(type: number, payload: Uint8Array): void {
    this.onmessage?.({ data: Uint8Array.from([type, ...payload]).buffer })
  }
  hello(hello: Partial<TerminalHello>): void {
    const whole = { attempt: 'a', offset: 0, earliest: 0, cols: 80, rows: 24, lastInputId: 0 }
    this.say(TerminalFrame.hello, new TextEncoder().encode(JSON.stringify({ ...whole, ...hello })))
  }
  output(offset: number, text: string): void {
    this.say(
      TerminalFrame.output,
      Uint8Array.from([...u64(offset), ...new TextEncoder().encode(text)]),
    )
  }
  drop(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code, reason: '' })
  }
  inputs(): { id: number; text: string }[] {
    return this.sent
      .filter((frame) => frame[0] === TerminalFrame.input)
      .map((frame) => ({
        id: Number(new DataView(frame.buffer).getBigUint64(1)),
        text: new TextDecoder().decode(frame.subarray(9)),
      }))
  }
}

const u64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

describe('a terminal', () => {
  let sockets: FakeSocket[]
  let statuses: TerminalStatus[]
  let text: string
  let verdict: Verdict
  let restarts: number
  let terminal: Terminal
  const last = () => sockets.at(-1)!
  const reconnected = async () => {
    const before = sockets.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sockets.length).toBeGreaterThan(before)
  }

  beforeEach(async () => {
    vi.useFakeTimers()
    sockets = []
    statuses = []
    text = ''
    verdict = 'attach'
    restarts = 0
    terminal = openTerminal({
      terminalId: 'main',
      cols: 80,
      rows: 24,
      open: async (query) => {
        const socket = new FakeSocket(query)
        sockets.push(socket)
        return socket
      },
      verdict: async () => verdict,
      onOutput: (bytes, done) => {
        text += new TextDecoder().decode(bytes)
        done()
      },
      onStatus: (status) => statuses.push(status),
      onRestart: () => (restarts += 1),
    })
    terminal.connect()
    await vi.advanceTimersByTimeAsync(0)
    return () => void vi.useRealTimers()
  })

  it('a socket that comes when nobody waits for it any more may fail unheard', async () => {
    terminal.connect()
    terminal.detach()
    await vi.advanceTimersByTimeAsync(0)
    // One that is closed before it is open says so by an error: without a listener it ends the process.
    expect(last()).toMatchObject({ readyState: 3, onerror: expect.any(Function) })
  })

  it('takes output up where it stopped, and shows no byte twice', async () => {
    last().hello({})
    last().output(0, 'hello ')
    last().drop()
    await reconnected()
    expect(last().query.get('offset')).toBe('6')
    expect(last().query.get('attempt')).toBe('a')
    last().hello({ offset: 6 })
    last().output(4, 'o world')
    expect(text).toBe('hello world')
  })

  it('sends again exactly the input that was not applied', async () => {
    last().hello({})
    terminal.write('one')
    terminal.write('two')
    terminal.write('three')
    last().say(TerminalFrame.inputAck, u64(1))
    last().drop()
    terminal.write('four')
    await reconnected()
    last().hello({ lastInputId: 2 })
    expect(last().inputs()).toEqual([
      { id: 3, text: 'three' },
      { id: 4, text: 'four' },
    ])
  })

  it('lets nothing overtake the input that is sent again', async () => {
    last().hello({})
    terminal.write('one')
    last().drop()
    terminal.write('two')
    await reconnected()
    terminal.write('three')
    last().hello({ lastInputId: 0 })
    expect(last().inputs()).toEqual([
      { id: 1, text: 'one' },
      { id: 2, text: 'two' },
      { id: 3, text: 'three' },
    ])
  })

  it('keeps what was typed before the first hello', () => {
    terminal.write('early')
    last().hello({})
    expect(last().inputs()).toEqual([{ id: 1, text: 'early' }])
  })

  it('never types into a new shell what was meant for the old one', async () => {
    last().hello({})
    terminal.write('rm -rf x')
    last().drop()
    await reconnected()
    last().hello({ attempt: 'b' })
    last().output(0, 'fresh')
    expect(last().inputs()).toEqual([])
    expect(restarts).toBe(1)
    expect(text).toBe('fresh')
  })

  it('closed by hibernation stays closed until it is told to connect', async () => {
    last().hello({})
    last().drop(CLOSE_HIBERNATED)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(sockets).toHaveLength(1)
    expect(statuses.at(-1)).toEqual({ state: 'hibernated' })
    terminal.connect()
    await vi.advanceTimersByTimeAsync(0)
    expect(sockets).toHaveLength(2)
  })

  it('asks why before it reconnects, and does not when the compute sleeps', async () => {
    last().hello({})
    verdict = 'hibernated'
    last().drop()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(sockets).toHaveLength(1)
    expect(statuses.at(-1)).toEqual({ state: 'hibernated' })
  })

  it('says that a socket is a reconnect, so that it can wake nothing', async () => {
    expect(last().query.has('reconnect')).toBe(false)
    last().drop()
    await reconnected()
    expect(last().query.get('reconnect')).toBe('1')
  })

  it('ends with the shell, and starts a new one when asked to connect again', async () => {
    last().hello({})
    last().say(TerminalFrame.exit, new TextEncoder().encode('{"exitCode":3,"signal":null}'))
    expect(statuses.at(-1)).toEqual({ state: 'exited', exitCode: 3, signal: null })
    terminal.connect()
    await vi.advanceTimersByTimeAsync(0)
    expect(last().query.has('attempt')).toBe(false)
  })

  it('confirms output only once it was shown', () => {
    last().hello({})
    last().output(0, 'x'.repeat(200_000))
    const ack = last().sent.find((frame) => frame[0] === TerminalFrame.outputAck)
    expect(Number(new DataView(ack!.buffer).getBigUint64(1))).toBe(200_000)
  })
})
