/** The same bytes in pieces of exactly `pieceBytes`, the last one shorter; what is held is one piece. */
export async function* inPieces(
  body: AsyncIterable<Uint8Array>,
  pieceBytes: number,
): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    for (let from = 0; from < chunk.length;) {
      const part = chunk.subarray(from, from + pieceBytes - size)
      chunks.push(part)
      size += part.length
      from += part.length
      if (size < pieceBytes) continue
      yield Buffer.concat(chunks, size)
      chunks = []
      size = 0
    }
  }
  if (size > 0) yield Buffer.concat(chunks, size)
}
