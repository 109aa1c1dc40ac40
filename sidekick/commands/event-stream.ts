import type { ServerResponse } from 'node:http'
import type { Fanout, Reader } from '../fanout.ts'
import { PING_INTERVAL_MS, type CommandEvent } from '../protocol.ts'
import type { Command } from './command.ts'

const BUFFER_BYTES = 64 * 1024

/**
 * A command's events as NDJSON, from the given offsets, until its exit. The reader's pace is the
 * response's: what it has not taken stays in the ring. Resolves when the exit was sent or the client left.
 * An empty line comes every `aliveMs`: clients and proxies end an answer that says nothing for minutes,
 * and the command would end with it.
 */
export const streamEvents = async (
  command: Command,
  response: ServerResponse,
  from: { readonly stdout: number | undefined; readonly stderr: number | undefined },
  aliveMs = PING_INTERVAL_MS,
): Promise<void> => {
  const send = (event: CommandEvent) => response.write(`${JSON.stringify(event)}\n`)
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  send({ type: 'start', id: command.id, pid: command.pid })
  const gone = response.destroyed
    ? Promise.resolve() // while the command was started
    : new Promise<void>((resolve) => response.once('close', resolve))
  const readers = (['stdout', 'stderr'] as const).map((stream) =>
    follow(command[stream], from[stream], response, stream, send),
  )
  const pump = () => readers.forEach((reader) => reader.pump())
  response.on('drain', pump)
  const all = Promise.all([command.done, ...readers.map((reader) => reader.finished)])
  // Who has not taken what there is, has something to take.
  const alive = setInterval(() => response.writableLength === 0 && response.write('\n'), aliveMs)
  const exit = await Promise.race([all.then(([exited]) => exited), gone])
  clearInterval(alive)
  for (const reader of readers) reader.stop()
  if (!exit) return
  send({ type: 'exit', ...exit })
  response.end()
}

const follow = (
  source: Fanout,
  from: number | undefined,
  response: ServerResponse,
  stream: 'stdout' | 'stderr',
  send: (event: CommandEvent) => void,
) => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const reader: Reader = {
    position: Math.min(from ?? source.earliest, source.end),
    room: () => BUFFER_BYTES - response.writableLength,
    output: (offset, bytes) => send({ type: stream, offset, data: bytes.toString('base64') }),
    truncated: (lostFrom, to) => send({ type: 'truncated', stream, from: lostFrom, to }),
    ended: finish,
  }
  source.add(reader)
  return { finished, pump: () => source.pump(reader), stop: () => source.remove(reader) }
}
