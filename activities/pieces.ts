/**
 * The same bytes in pieces of exactly `pieceBytes`, the last one shorter; what is held is one piece.
 * `room` gives each piece its buffer, of `pieceBytes`.
 */
export async function* inPieces(
  body: AsyncIterable<Uint8Array>,
  pieceBytes: number,
  room: () => Buffer = () => Buffer.allocUnsafeSlow(pieceBytes),
): AsyncGenerator<Buffer> {
  let piece: Buffer | undefined
  let size = 0
  for await (const chunk of body) {
    for (let from = 0; from < chunk.length;) {
      piece ??= room()
      const part = chunk.subarray(from, from + pieceBytes - size)
      piece.set(part, size)
      size += part.length
      from += part.length
      if (size < pieceBytes) continue
      yield piece
      piece = undefined
      size = 0
    }
  }
  if (piece !== undefined) yield piece.subarray(0, size)
}
