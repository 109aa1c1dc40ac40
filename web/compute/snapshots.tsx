import { useCallback, useEffect, useState } from 'react'
import type { Compute, Snapshot } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'
import { useNow } from '../ground/clock.ts'
import { onLifeEvent, take } from '../ground/fleet.ts'
import { say, sayFailure } from '../ground/notices.tsx'
import { go } from '../ground/route.ts'
import { because, size, when } from '../ground/words.ts'
import { forkCompute } from './fork.ts'

export const Snapshots = ({ compute }: { readonly compute: Compute }) => {
  const { id, filesystem_id } = compute
  const now = useNow()
  const [snapshots, setSnapshots] = useState<readonly Snapshot[]>([])
  const load = useCallback(() => {
    client.filesystems.snapshots(filesystem_id).then(
      ({ items }) => setSnapshots(newestFirst(items)),
      () => setSnapshots([]), // deleted with its compute
    )
  }, [filesystem_id])
  useEffect(() => {
    load()
    return onLifeEvent((event) => {
      if (event.computeId === id && event.type.startsWith('snapshot')) load()
    })
  }, [id, load])

  const fork = async (snapshot: Snapshot) => {
    const name = `${compute.name}-${new Date(snapshot.created_at).toISOString().slice(5, 16)}`
    const made = await forkCompute(compute, { name, snapshotId: snapshot.id })
    take(made)
    go(`/computes/${made.id}`)
  }
  const restore = async (snapshot: Snapshot) => {
    await client.filesystems.restore(filesystem_id, snapshot.id)
    load()
    say('The next wake starts from that save.')
  }

  return (
    <section className="card" aria-labelledby="snapshots">
      <h2 id="snapshots">Saves</h2>
      {snapshots.length === 0 && <p className="muted">None yet.</p>}
      <ul className="snapshots">
        {snapshots.map((snapshot, index) => (
          <li key={snapshot.id}>
            <div>
              <time dateTime={snapshot.created_at}>{when(snapshot.created_at, now)}</time>
              <small className="muted">
                {snapshot.entries.toLocaleString()} entries, {size(snapshot.size_bytes)} ·{' '}
                {because(snapshot.reason)}
              </small>
            </div>
            <span className="row-actions">
              {index > 0 && compute.state === 'hibernated' && (
                <button className="small" onClick={() => void restore(snapshot).catch(sayFailure)}>
                  Restore
                </button>
              )}
              <button className="small" onClick={() => void fork(snapshot).catch(sayFailure)}>
                Fork
              </button>
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const newestFirst = (snapshots: readonly Snapshot[]): readonly Snapshot[] =>
  [...snapshots].sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
