/** The part of WebSocket that browsers and the `ws` package have in common. */
export interface Socket {
  binaryType: string
  readonly readyState: number
  send(data: Uint8Array<ArrayBuffer>): void
  close(): void
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  onerror: ((event: unknown) => void) | null
}

const OPEN = 1

/** To be called in the turn the socket was made, or its first frames are lost. */
export const startSocket = (
  socket: Socket,
  handlers: {
    readonly onFrame: (frame: Uint8Array) => void
    readonly onClose: (code: number, reason: string) => void
  },
): void => {
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer && data.byteLength > 0) handlers.onFrame(new Uint8Array(data))
  }
  socket.onerror = () => {} // a close event follows, and says as much
  socket.onclose = ({ code, reason }) => handlers.onClose(code, reason)
}

/** What cannot be sent now is not lost: input is kept until confirmed and size goes with the next attach. */
export const sendFrame = (socket: Socket | undefined, frame: Uint8Array<ArrayBuffer>): void => {
  if (socket?.readyState === OPEN) socket.send(frame)
}

/** Closes a socket that nobody waits for any more. */
export const dropSocket = (socket: Socket): void => {
  // One that is not open yet says so by an error, which nobody would hear.
  socket.onerror = () => {}
  socket.close()
}
