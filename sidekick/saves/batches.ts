/** The same bytes in batches of `batchBytes`, the last one shorter: each handover between threads costs as much for a byte as for a batch. */
export async function* inBatches(
  pieces: AsyncIterable<Buffer>,
  batchBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let batch = Buffer.allocUnsafeSlow(batchBytes)
  let used = 0
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const copied = piece.copy(batch, used, from)
      from += copied
      used += copied
      if (used < batchBytes) continue
      yield batch
      batch = Buffer.allocUnsafeSlow(batchBytes)
      used = 0
    }
  }
  if (used > 0) yield batch.subarray(0, used)
}
