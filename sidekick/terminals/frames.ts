import { Failure } from '../errors.ts'
import { TerminalFrame, type TerminalHello } from '../protocol.ts'

/** Frames of sidekick/protocol.ts as bytes; u64 offsets stay below 2^53. */
const frame = (type: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([type]), payload])

const u64 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(8 * values.length)
  for (const [index, value] of values.entries()) bytes.writeBigUInt64BE(BigInt(value), index * 8)
  return bytes
}

export const helloFrame = (hello: TerminalHello) =>
  frame(TerminalFrame.hello, Buffer.from(JSON.stringify(hello)))

export const outputFrame = (offset: number, bytes: Uint8Array) =>
  frame(TerminalFrame.output, Buffer.concat([u64(offset), bytes]))

export const truncatedFrame = (from: number, to: number) =>
  frame(TerminalFrame.truncated, u64(from, to))

export const exitFrame = (exit: { exitCode: number; signal: number | null }) =>
  frame(TerminalFrame.exit, Buffer.from(JSON.stringify(exit)))

export const inputAckFrame = (inputId: number) => frame(TerminalFrame.inputAck, u64(inputId))

export const noticeFrame = (text: string) => frame(TerminalFrame.notice, Buffer.from(text))

export type ClientFrame =
  | { readonly type: 'input'; readonly inputId: number; readonly bytes: Buffer }
  | { readonly type: 'resize'; readonly cols: number; readonly rows: number }
  | { readonly type: 'outputAck'; readonly offset: number }
  | { readonly type: 'signal'; readonly signal: string }

/** Errors: invalid, for any frame the protocol does not have. */
export const parseClientFrame = (bytes: Buffer): ClientFrame => {
  const payload = bytes.subarray(1)
  switch (bytes[0]) {
    case TerminalFrame.input:
      return { type: 'input', inputId: readU64(payload), bytes: payload.subarray(8) }
    case TerminalFrame.resize:
      if (payload.length !== 4) throw new Failure('invalid', 'A resize frame has four bytes.')
      return { type: 'resize', cols: payload.readUInt16BE(0), rows: payload.readUInt16BE(2) }
    case TerminalFrame.outputAck:
      return { type: 'outputAck', offset: readU64(payload) }
    case TerminalFrame.signal:
      return { type: 'signal', signal: payload.toString('latin1') }
    default:
      throw new Failure('invalid', `Frame type ${bytes[0]} is not of this protocol.`)
  }
}

const readU64 = (payload: Buffer): number => {
  if (payload.length < 8) throw new Failure('invalid', 'The frame is shorter than its number.')
  const value = payload.readBigUInt64BE(0)
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Failure('invalid', 'The number in the frame is over 2^53.')
  return Number(value)
}
