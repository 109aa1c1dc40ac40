import type { SnapshotRow } from '../records/snapshots.ts'
import type { ManifestPart } from '../records/manifest.ts'
import type { Binding } from './binding.ts'

/** Longer chains, or deltas of more than half the whole, cost more at restore than a full save does now. */
const MOST_PARTS = 12
const MOST_DELTA_SHARE = 0.5
const SMALL_BYTES = 16 * 1024 * 1024

type Head = Pick<SnapshotRow, 'manifest'>
type Writer = Pick<Binding, 'baseSaveId'> & { readonly compute: { readonly generation: number } }

/** The save a delta may stand on; null asks for a full one. */
export const deltaBase = (head: Head | undefined, writer: Writer): string | null => {
  if (head === undefined || head.manifest.generation > writer.compute.generation) return null
  const { parts } = head.manifest
  const last = parts.at(-1)
  if (last === undefined || last.saveId !== writer.baseSaveId) return null
  const bytes = (kind: ManifestPart['kind']) =>
    parts.filter((part) => part.kind === kind).reduce((sum, part) => sum + part.sizeBytes, 0)
  const heavy = bytes('delta') > Math.max(SMALL_BYTES, bytes('full') * MOST_DELTA_SHARE)
  return parts.length >= MOST_PARTS || heavy ? null : last.saveId
}
