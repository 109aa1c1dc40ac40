import { TerminalFrame, type TerminalHello } from '../sidekick/protocol.ts'

export type ServerFrame =
  | { readonly type: 'hello'; readonly hello: TerminalHello }
  | { readonly type: 'output'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncated'; readonly from: number; readonly to: number }
  | { readonly type: 'exit'; readonly exitCode: number; readonly signal: number | null }
  | { readonly type: 'inputAck'; readonly inputId: number }
  | { readonly type: 'notice'; readonly text: string }

/** Undefined for a frame of a later protocol version: unknown frames are passed over. */
export const decodeFrame = (frame: Uint8Array): ServerFrame | undefined => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const u64 = (at: number) => Number(view.getBigUint64(at))
  const text = () => new TextDecoder().decode(frame.subarray(1))
  switch (frame[0]) {
    case TerminalFrame.hello:
      return { type: 'hello', hello: JSON.parse(text()) as TerminalHello }
    case TerminalFrame.output:
      return { type: 'output', offset: u64(1), bytes: frame.subarray(9) }
    case TerminalFrame.truncated:
      return { type: 'truncated', from: u64(1), to: u64(9) }
    case TerminalFrame.exit:
      return { type: 'exit', ...(JSON.parse(text()) as { exitCode: number; signal: null }) }
    case TerminalFrame.inputAck:
      return { type: 'inputAck', inputId: u64(1) }
    case TerminalFrame.notice:
      return { type: 'notice', text: text() }
    default:
      return undefined
  }
}

export const encodeInput = (inputId: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const frame = new Uint8Array(9 + bytes.length)
  frame[0] = TerminalFrame.input
  new DataView(frame.buffer).setBigUint64(1, BigInt(inputId))
  frame.set(bytes, 9)
  return frame
}

export const encodeResize = (cols: number, rows: number): Uint8Array<ArrayBuffer> => {
  const frame = new Uint8Array(5)
  frame[0] = TerminalFrame.resize
  const view = new DataView(frame.buffer)
  view.setUint16(1, cols)
  view.setUint16(3, rows)
  return frame
}

export const encodeOutputAck = (offset: number): Uint8Array<ArrayBuffer> => {
  const frame = new Uint8Array(9)
  frame[0] = TerminalFrame.outputAck
  new DataView(frame.buffer).setBigUint64(1, BigInt(offset))
  return frame
}

export const encodeSignal = (name: string): Uint8Array<ArrayBuffer> => {
  const bytes = new TextEncoder().encode(name)
  const frame = new Uint8Array(1 + bytes.length)
  frame[0] = TerminalFrame.signal
  frame.set(bytes, 1)
  return frame
}
