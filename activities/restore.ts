import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { Db } from '../records/database.ts'
import { findSnapshot } from '../records/snapshots.ts'
import { recordOpened } from '../records/generations.ts'
import { DormouseError } from '../workflows/errors.ts'
import { requireBinding } from './binding.ts'
import type { DataActivities } from './contract.ts'
import type { ObjectStore, Runtime, SidekickControl } from './ports.ts'

export interface RestoreDeps {
  readonly db: Db
  readonly store: ObjectStore
  readonly sidekick: SidekickControl
  readonly runtime: Pick<Runtime, 'markTreeComplete'>
}

type RestoreInput = Parameters<DataActivities['restore']>[0]

interface StoredPart {
  readonly key: string
  readonly sha256: string
  readonly sizeBytes: number
}

/**
 * Feeds every part to the sidekick in order, each checked against its manifest on the way, and opens
 * the compute only when the tree has as many entries as the manifest says. Errors: SnapshotCorrupt
 * naming the part; a compute is never opened over a tree that is not whole.
 */
export const createRestore =
  (deps: RestoreDeps) =>
  async (
    input: RestoreInput,
    signal: AbortSignal,
  ): Promise<{ entries: number; sizeBytes: number }> => {
    const binding = await requireBinding(deps.db, input)
    const { endpoint, compute } = binding
    const hello = await deps.sidekick.hello(endpoint.address, 5_000)
    const source =
      input.snapshotId === null
        ? await imageLayer(deps.db, compute.image_id)
        : await snapshotParts(deps.db, input.snapshotId)
    const already = hello.state === 'open'
    let tree = { entries: source.entries ?? 0, sizeBytes: 0 }
    if (!already) {
      // Another attempt may have brought it so far; what is whole is fed to nobody.
      const missing = hello.restored === true ? [] : source.parts
      for (const [index, part] of missing.entries())
        await feed(deps, input, { ...part, index, count: source.parts.length }, endpoint, signal)
      tree = await deps.sidekick.restored(endpoint, input, source.saveId)
      if (source.entries !== undefined && tree.entries !== source.entries)
        throw new DormouseError(
          'SnapshotCorrupt',
          `snapshot ${input.snapshotId} has ${source.entries} entries, its parts gave ${tree.entries}`,
        )
      await deps.runtime.markTreeComplete(input)
      await deps.sidekick.open(endpoint, input)
    }
    await recordOpened(deps.db, {
      ...input,
      baseSaveId: source.saveId,
      detail: { snapshotId: input.snapshotId, ...tree },
    })
    return tree
  }

const snapshotParts = async (db: Db, snapshotId: string) => {
  const snapshot = await findSnapshot(db, snapshotId)
  if (snapshot === undefined)
    throw new DormouseError('SnapshotCorrupt', `snapshot ${snapshotId} does not exist`)
  const parts: readonly StoredPart[] = snapshot.manifest.parts
  return {
    parts,
    entries: snapshot.entries as number | undefined,
    saveId: snapshot.manifest.parts.at(-1)?.saveId ?? null,
  }
}

/** Installed packages of a committed image; an image without a layer has no parts. */
const imageLayer = async (db: Db, imageId: string) => {
  const rows = await db
    .selectFrom('part_references')
    .innerJoin('parts', 'parts.key', 'part_references.part_key')
    .select(['parts.key', 'parts.sha256', 'parts.size_bytes'])
    .where('owner_kind', '=', 'image')
    .where('owner_id', '=', imageId)
    .orderBy('ordinal')
    .execute()
  const parts = rows.map((row): StoredPart => {
    if (row.sha256 === null || row.size_bytes === null)
      throw new DormouseError('SnapshotCorrupt', `${row.key} of image ${imageId} was never stored`)
    return { key: row.key, sha256: row.sha256, sizeBytes: Number(row.size_bytes) }
  })
  return { parts, entries: undefined as number | undefined, saveId: null }
}

const feed = async (
  deps: RestoreDeps,
  input: RestoreInput,
  part: StoredPart & { readonly index: number; readonly count: number },
  endpoint: Parameters<SidekickControl['restorePart']>[0],
  signal: AbortSignal,
): Promise<void> => {
  const stored = await deps.store.head(part.key)
  if (stored === undefined) throw corrupt(part.key, 'is missing in the store')
  if (stored.sizeBytes !== part.sizeBytes)
    throw corrupt(part.key, `has ${stored.sizeBytes} bytes in the store, not ${part.sizeBytes}`)
  const check = checking(part)
  const body = await deps.store.get(part.key, signal)
  body.on('error', (error) => check.destroy(error))
  // Told by `errored` below, also when it comes after the sidekick's answer.
  check.on('error', () => undefined)
  const { index, count } = part
  try {
    await deps.sidekick.restorePart(
      endpoint,
      input,
      { index, count, stream: body.pipe(check) },
      signal,
    )
  } catch (error) {
    // The sidekick only saw a body that broke off; the check knows why.
    throw check.errored ?? error
  } finally {
    body.destroy()
  }
}

/** Passes bytes on and fails at the end, before the receiver sees one, when they are not the saved ones. */
const checking = (part: StoredPart): Transform => {
  const hash = createHash('sha256')
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
    flush(done) {
      const same = hash.digest('hex') === part.sha256
      done(same ? null : corrupt(part.key, 'is not what was saved: its SHA-256 differs'))
    },
  })
}

const corrupt = (key: string, what: string): DormouseError =>
  new DormouseError('SnapshotCorrupt', `${key} ${what}; restore an earlier snapshot`, { key })
