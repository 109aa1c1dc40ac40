/** One immutable version of a filesystem: parts applied in order give the tree. */
export interface ManifestPart {
  readonly kind: 'full' | 'delta'
  readonly key: string
  readonly sha256: string
  readonly sizeBytes: number
  /** Of the tar in it; parts of older versions do not say. */
  readonly contentBytes?: number
  /** Id of the save that made it: what a sidekick's index is named after. */
  readonly saveId: string
  /** Of the archives of its generation's sidekick; parts of older versions do not say. */
  readonly ordinal?: number
}

export interface Manifest {
  readonly version: 1
  readonly format: 'tar+zstd'
  readonly computeId: string
  readonly generation: number
  readonly epoch: number
  readonly imageDigest: string
  readonly parts: readonly ManifestPart[]
  readonly entries: number
  readonly sizeBytes: number
}
