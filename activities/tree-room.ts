/** How large a disk must be for a compute's trees: pure. */
import type { Manifest } from '../records/manifest.ts'

import type { Tier } from '../config/tiers.ts'

/** Every entry ends in a block that it does not fill, and folders are blocks of their own. */
const BLOCK_BYTES = 4096
/** What a file system takes for itself: ext4 about 3 %, and a little for its last free blocks. */
const FILE_SYSTEM_SHARE = 1 / 16

/**
 * The tier's cap, so that a disk is full before its trees are too large to be saved; more where what is
 * restored needs it, so that a disk which was full to its last block finds room again. Parts are restored
 * one over the other: each counts whole. Twice the cap holds every honest tree with the largest part over
 * it; the counts come from a sidekick, so more than that is not asked for.
 */
export const treeRoom = (tier: Caps, restored: Tree | undefined): number =>
  restored === undefined ? tier.maxBytes : Math.max(tier.maxBytes, restoredRoom(tier, restored))

type Caps = Pick<Tier, 'maxBytes' | 'maxEntries'>
type Tree = Pick<Manifest, 'parts' | 'entries'>

/** What the restore alone needs. */
export const restoredRoom = ({ maxBytes, maxEntries }: Caps, restored: Tree): number => {
  const content = restored.parts.reduce(
    (sum, { contentBytes, sizeBytes }) => sum + (contentBytes ?? sizeBytes),
    0,
  )
  const blocks = atMost(maxEntries, restored.entries) * BLOCK_BYTES
  return Math.ceil((atMost(2 * maxBytes, content) + blocks) * (1 + FILE_SYSTEM_SHARE))
}

/** What is no number is nothing. */
const atMost = (most: number, count: number): number =>
  Number.isFinite(count) && count > 0 ? Math.min(most, count) : 0
