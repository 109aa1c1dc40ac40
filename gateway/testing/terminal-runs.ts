/** The gateway part of the fault catalogue (G1, G2, G3), with figures to be chosen. */
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { TERMINAL_PROTOCOL, TerminalFrame } from '../../sidekick/protocol.ts'
import { residentBytes, type GatewayProcess } from './gateway-process.ts'
import type { RealSidekick } from './real-sidekick.ts'
import { openShellClient } from './shell-client.ts'

export interface Stage {
  readonly port: number
  readonly computeId: string
  readonly token: string
  readonly gateway: GatewayProcess
  readonly sidekick: RealSidekick
}

/** A shell that echoes nothing and prompts nothing: what it prints is what programs printed. */
const openQuietShell = async (stage: Stage, terminalId: string) => {
  const shell = await openShellClient({ ...stage, terminalId })
  shell.type("stty -echo; PS1=''; PS2=''; set +m\n")
  shell.type('echo READY-$((40+2))\n')
  await shell.sees(/READY-42\r?\n/)
  return shell
}

/** Prints `L 1` … `L <count>` in steps, in the background. */
const printer = (count: number, perSecond: number): string => {
  const step = Math.max(1, Math.round(perSecond / 50))
  return (
    `"${process.execPath}" -e 'let i=0;const t=setInterval(()=>{let s="";` +
    `for(let k=0;k<${step}&&i<${count};k++)s+="L "+(++i)+"\\n";process.stdout.write(s);` +
    `if(i>=${count})clearInterval(t)},20)' &\n`
  )
}

/** G1. Returns what was seen; the caller compares. */
export const killWhileTyping = async (
  stage: Stage,
  run: { readonly lines: number; readonly perSecond: number; readonly killEveryMs: number },
) => {
  // A terminal that nobody has used: a second try must not see what the first one printed.
  const terminalId = `g1-${Date.now()}`
  const shell = await openQuietShell(stage, terminalId)
  const log = `${terminalId}.log`
  shell.type(printer(run.lines, run.perSecond))
  const killsBefore = stage.gateway.kills
  let typed = 0
  let nextKillAt = Date.now() + run.killEveryMs
  const isDone = () => new RegExp(`L ${run.lines}\\r?\\n`).test(shell.text.slice(-200_000))
  const deadline = Date.now() + (run.lines / run.perSecond) * 4_000 + 60_000
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error(`stuck at ${shell.text.slice(-300)}`)
    shell.type(`echo ${++typed} >> ${log}; echo ran ${typed}\n`)
    // A kill counts when it hits an open socket.
    if (Date.now() >= nextKillAt && shell.status.state === 'open') {
      await stage.gateway.kill()
      // Typed into the void: kept by the client until confirmed.
      shell.type(`echo ${++typed} >> ${log}; echo ran ${typed}\n`)
      await stage.gateway.start()
      nextKillAt = Date.now() + run.killEveryMs
    }
    await sleep(40)
  }
  await shell.sees(new RegExp(`ran ${typed}\\r?\\n`), 60_000)
  shell.detach()
  // Not by line starts: readline writes its own sequences there.
  const numbers = (pattern: RegExp) => [...shell.text.matchAll(pattern)].map(([, n]) => Number(n))
  return {
    kills: stage.gateway.kills - killsBefore,
    attaches: shell.attaches,
    truncated: shell.truncated,
    typed,
    lines: numbers(/L (\d+)\r\n/g),
    ran: numbers(/ran (\d+)\r\n/g),
    logged: (await readFile(path.join(stage.sidekick.home, log), 'utf8'))
      .trim()
      .split('\n')
      .map(Number),
  }
}

/** G2. Numbered lines, so many bytes of them, are printed while the client is away. */
export const stayAway = async (
  stage: Stage,
  run: { readonly terminalId: string; readonly awayMs: number; readonly bytes: number },
) => {
  const terminalId = `${run.terminalId}-${Date.now()}`
  const shell = await openQuietShell(stage, terminalId)
  const lines = Math.ceil(run.bytes / 100)
  shell.type(
    `"${process.execPath}" -e 'setTimeout(()=>{for(let i=1;i<=${lines};i++)` +
      `process.stdout.write(("A "+i).padEnd(98,"x")+"\\n")},1500)'; echo END-$((1+1))\n`,
  )
  // Long enough for what was typed to arrive, and over before the first line is printed.
  await sleep(500)
  const before = shell.shownBytes
  shell.offline()
  await sleep(run.awayMs)
  const shownWhileAway = shell.shownBytes - before
  shell.online()
  await shell.sees(/END-2\r?\n/, 60_000)
  const answer = await fetch(
    `http://127.0.0.1:${stage.port}/compute/${stage.computeId}/terminals`,
    {
      headers: { authorization: `Bearer ${stage.token}` },
    },
  )
  const terminals = (await answer.json()) as { id: string; offset: number }[]
  shell.detach()
  return {
    before,
    shownWhileAway,
    shown: shell.shownBytes,
    truncated: shell.truncated,
    end: terminals.find(({ id }) => id === terminalId)?.offset ?? Number.NaN,
    lines,
    seen: [...shell.text.matchAll(/A (\d+)x+\r\n/g)].map(([, n]) => Number(n)),
  }
}

/** G3. `lie`: the reader confirms everything and reads nothing of it. */
export const floodSlowReaders = async (
  stage: Stage,
  run: {
    readonly readers: number
    readonly forMs: number
    readonly bytesPerSecond: number
    readonly lie: boolean
  },
) => {
  await warmUp(stage)
  const name = `g3-${run.lie}-${Date.now()}`
  const readers = await Promise.all(
    Array.from({ length: run.readers }, (_, index) =>
      openSlowReader(stage, `${name}-${index}`, run),
    ),
  )
  await sleep(500)
  const gatewayBefore = await stage.gateway.residentBytes()
  const sidekickBefore = await residentBytes(stage.sidekick.pid)
  for (const reader of readers) reader.flood()
  let gatewayPeak = 0
  let sidekickPeak = 0
  const until = Date.now() + run.forMs
  while (Date.now() < until) {
    await sleep(250)
    gatewayPeak = Math.max(gatewayPeak, await stage.gateway.residentBytes())
    sidekickPeak = Math.max(sidekickPeak, await residentBytes(stage.sidekick.pid))
  }
  const received = readers.reduce((sum, reader) => sum + reader.received, 0)
  for (const reader of readers) reader.end()
  return {
    received,
    gatewayGrowthBytes: gatewayPeak - gatewayBefore,
    sidekickGrowthBytes: sidekickPeak - sidekickBefore,
  }
}

/** What the first megabytes cost (compiled code, a grown heap) is paid once, not by each reader. */
const warmUp = async (stage: Stage): Promise<void> => {
  const shell = await openQuietShell(stage, `warm-up-${Date.now()}`)
  shell.type('yes | head -c 4000000; echo WARM-$((1+1))\n')
  await shell.sees(/WARM-2\r\n/, 60_000)
  shell.detach()
}

const openSlowReader = async (
  stage: Stage,
  terminalId: string,
  { bytesPerSecond, lie }: { readonly bytesPerSecond: number; readonly lie: boolean },
) => {
  const url = `ws://127.0.0.1:${stage.port}/compute/${stage.computeId}/terminal?id=${terminalId}`
  const socket = new WebSocket(url, [TERMINAL_PROTOCOL], {
    headers: { authorization: `Bearer ${stage.token}` },
    perMessageDeflate: false,
  })
  let received = 0
  let allowance = 64_000
  const frame = (type: number, value: bigint, rest = '') => {
    const head = Buffer.alloc(9)
    head[0] = type
    head.writeBigUInt64BE(value, 1)
    return Buffer.concat([head, Buffer.from(rest)])
  }
  socket.on('error', () => {})
  socket.on('message', (data: Buffer) => {
    if (data[0] !== TerminalFrame.output) return
    received += data.length
    allowance -= data.length
    const upTo = data.readBigUInt64BE(1) + BigInt(data.length - 9)
    if (!lie && socket.readyState === WebSocket.OPEN)
      socket.send(frame(TerminalFrame.outputAck, upTo))
    if (allowance <= 0) socket.pause()
  })
  const timer = setInterval(() => {
    if (allowance <= 0) allowance += bytesPerSecond / 4
    if (lie && socket.readyState === WebSocket.OPEN)
      socket.send(frame(TerminalFrame.outputAck, 1n << 40n))
    if (allowance > 0) socket.resume()
  }, 250)
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return {
    get received() {
      return received
    },
    flood: () => socket.send(frame(TerminalFrame.input, 1n, 'yes\n')),
    end() {
      clearInterval(timer)
      socket.terminate()
    },
  }
}
