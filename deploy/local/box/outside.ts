/** Main of a box: holds its doors on this machine's loopback, hands friends' connections in. */
import { spawn } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import type { BoxSpec } from './boxed.ts'
import { isFriend } from './friend.ts'

const spec = JSON.parse(process.argv[2] ?? '') as BoxSpec

const inside = spawn(
  spec.bwrap,
  [
    ...['--dev-bind', '/', '/', '--unshare-net', '--unshare-pid', '--die-with-parent'],
    // SeaweedFS names sockets there by port alone: another user's would stand in its way.
    ...['--tmpfs', '/tmp', ...spec.keep.flatMap((file) => ['--bind', file, file]), '--'],
    ...[process.execPath, spec.inside, JSON.stringify(spec)],
  ],
  { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
)
inside.once('exit', (code) => process.exit(code ?? 1))
inside.once('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => inside.connected && inside.send({ stop: true }))

for (const port of spec.doors) {
  // Not a byte is read here: all of them belong to whoever gets the socket.
  const server = createServer({ pauseOnConnect: true }, (socket) => void admit(socket, port))
  server.once('error', (error) => {
    process.stderr.write(`port ${port}: ${error.message}\n`)
    inside.kill('SIGKILL')
  })
  server.listen(port, '127.0.0.1')
}

async function admit(socket: Socket, port: number): Promise<void> {
  socket.on('error', () => socket.destroy())
  if (!(await isFriend(socket))) {
    process.stderr.write(`port ${port}: refused a connection from a sandbox or another user\n`)
    socket.destroy()
  } else if (!socket.destroyed && inside.connected) {
    inside.send({ port }, socket)
  } else {
    socket.destroy()
  }
}
