/** The one process beside the server in its network: joins each socket it is handed to a port in there. */
import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import type { BoxSpec } from './boxed.ts'

const spec = JSON.parse(process.argv[2] ?? '') as BoxSpec
const { NODE_CHANNEL_FD: _, ...env } = process.env
const server = spawn(spec.command, spec.args, { env, stdio: ['ignore', 'inherit', 'inherit'] })

server.once('exit', (code) => process.exit(code ?? 1))
server.once('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
process.on('message', (message: { stop?: true; port?: number }, socket?: Socket) => {
  if (message.stop) server.kill('SIGTERM')
  else if (message.port !== undefined && socket !== undefined) join(socket, message.port)
})
// Whoever held the doors is gone: nobody could reach the server, and nobody would end it.
process.once('disconnect', () => {
  server.kill('SIGKILL')
  process.exit(1)
})

function join(outer: Socket, port: number): void {
  const inner = connect({ port, host: '127.0.0.1', noDelay: true })
  outer.setNoDelay(true)
  for (const [one, other] of [
    [outer, inner],
    [inner, outer],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
  outer.pipe(inner)
  inner.pipe(outer)
}
