/** How large a disk must be for a compute's trees: pure. */
import type { Manifest } from '../records/manifest.ts'

/** Every entry ends in a block that it does not fill, and folders are blocks of their own. */
const BLOCK_BYTES = 4096
/** What a file system takes for itself: ext4 about 3 %, and a little for its last free blocks. */
const FILE_SYSTEM_SHARE = 1 / 16

/**
 * The tier's cap, so that a disk is full before its trees are too large to be saved; more where what is
 * restored needs it, so that a disk which was full to its last block finds room again. Parts are restored
 * one over the other: each counts whole.
 */
export const treeRoom = (
  capBytes: number,
  restored: Pick<Manifest, 'parts' | 'entries'> | undefined,
): number => {
  if (restored === undefined) return capBytes
  const content = restored.parts.reduce(
    (sum, { contentBytes, sizeBytes }) => sum + (contentBytes ?? sizeBytes),
    0,
  )
  const needed = (content + restored.entries * BLOCK_BYTES) * (1 + FILE_SYSTEM_SHARE)
  return Math.max(capBytes, Math.ceil(needed))
}
