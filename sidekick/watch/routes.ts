import { WebSocketServer, type WebSocket } from 'ws'
import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import { statEntry } from '../files/entries.ts'
import type { Trees } from '../files/trees.ts'
import { userPath } from '../files/user-path.ts'
import type { WatchMessage } from '../protocol.ts'
import type { Router } from '../router.ts'
import type { Sockets } from '../sockets.ts'
import { Watcher } from './watcher.ts'

const BUFFER_BYTES = 1024 * 1024
const RETRY_MS = 250

export const registerWatch = (
  router: Router,
  context: SidekickContext,
  trees: Trees,
  sockets: Sockets,
): void => {
  const server = new WebSocketServer({ noServer: true, maxPayload: 1024, perMessageDeflate: false })
  const watchers = new Map<string, Watcher>()

  router.onUpgrade(
    '/v1/files/watch',
    { scope: 'use', during: ['open', 'frozen'] },
    async (call) => {
      const path = userPath(call.query.get('path') ?? '', context.trees.home)
      const recursive = call.query.get('recursive') === '1'
      if ((await statEntry(trees, path)).type !== 'directory')
        throw new Failure('invalid', 'Only a folder can be watched; watch the one that holds it.')
      server.handleUpgrade(call.request, call.socket, call.head, (socket) => {
        sockets.add(socket)
        attach(socket, path, recursive)
      })
    },
  )

  const attach = (socket: WebSocket, path: string, recursive: boolean): void => {
    const key = `${recursive ? 'all' : 'one'}:${path}`
    const watcher = watchers.get(key) ?? new Watcher(trees, path, recursive)
    watchers.set(key, watcher)
    const send = boundedSender(socket)
    const leave = watcher.listen(send)
    socket.on('close', () => {
      leave()
      if (watcher.listeners > 0) return
      watcher.close()
      if (watchers.get(key) === watcher) watchers.delete(key)
    })
    watcher.ready.then(
      () => send({ type: 'ready' }),
      () => socket.close(1011, 'the folder could not be read'),
    )
  }
}

/** A listener that does not read gets one overflow in place of all that it missed. */
const boundedSender = (socket: WebSocket): ((message: WatchMessage) => void) => {
  let missed: NodeJS.Timeout | undefined
  const send = (message: WatchMessage) => socket.send(JSON.stringify(message))
  const catchUp = () => {
    if (socket.readyState !== socket.OPEN || socket.bufferedAmount > BUFFER_BYTES) return
    clearInterval(missed)
    missed = undefined
    send({ type: 'overflow' })
  }
  socket.on('close', () => clearInterval(missed))
  return (message) => {
    if (socket.readyState !== socket.OPEN || missed) return
    if (socket.bufferedAmount > BUFFER_BYTES) missed = setInterval(catchUp, RETRY_MS)
    else send(message)
  }
}
