import { useState, type FormEvent, type ReactNode } from 'react'
import type { Compute } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'
import { Dialog } from '../ground/dialog.tsx'
import { look, take } from '../ground/fleet.ts'
import { say } from '../ground/notices.tsx'
import { go } from '../ground/route.ts'
import { forkCompute } from './fork.ts'

type Open = 'commit' | 'fork' | 'delete' | undefined

export const Actions = ({
  compute,
  busy,
  wake,
  hibernate,
  retry,
}: {
  readonly compute: Compute
  readonly busy: boolean
  readonly wake: () => void
  readonly hibernate: () => void
  readonly retry: () => void
}) => {
  const [open, setOpen] = useState<Open>()
  const { state } = compute
  if (state === 'terminated') return null
  const close = () => setOpen(undefined)
  return (
    <div className="actions" role="group" aria-label="Actions">
      {state === 'hibernated' && (
        <button className="primary" onClick={wake} disabled={busy}>
          Wake
        </button>
      )}
      {state === 'failed' && (
        <button className="primary" onClick={retry} disabled={busy}>
          Try again
        </button>
      )}
      {state !== 'hibernated' && state !== 'failed' && (
        <button onClick={hibernate} disabled={busy || state !== 'running'}>
          Hibernate
        </button>
      )}
      <button onClick={() => setOpen('commit')} disabled={state !== 'running'}>
        Commit …
      </button>
      <button
        onClick={() => setOpen('fork')}
        disabled={state !== 'running' && state !== 'hibernated'}
      >
        Fork …
      </button>
      <button className="danger" onClick={() => setOpen('delete')}>
        Delete …
      </button>
      {open === 'commit' && <CommitDialog compute={compute} onClose={close} />}
      {open === 'fork' && <ForkDialog compute={compute} onClose={close} />}
      {open === 'delete' && <DeleteDialog compute={compute} onClose={close} />}
    </div>
  )
}

interface DialogProps {
  readonly compute: Compute
  readonly onClose: () => void
}

const CommitDialog = ({ compute, onClose }: DialogProps) => (
  <Dialog title="Commit an image" onClose={onClose}>
    <Deed
      verb="Commit"
      onClose={onClose}
      work={async (form) => {
        const name = String(form.get('name'))
        const image = await client.computes.commit(compute.id, { name, wait: 60 })
        say(image.state === 'ready' ? `Image ${name} is ready.` : `Image ${name} is being made.`)
      }}
    >
      <p>
        What is installed in <code>/opt/env</code> of {compute.name} becomes an image that new
        computes can start from. Files of the home folder are not part of it.
      </p>
      <label>
        Name of the image
        <input
          name="name"
          required
          autoFocus
          pattern="[a-z0-9][a-z0-9._\-]{0,99}"
          title="small letters, digits, dot, dash and underscore"
          autoComplete="off"
        />
      </label>
    </Deed>
  </Dialog>
)

const ForkDialog = ({ compute, onClose }: DialogProps) => (
  <Dialog title="Fork" onClose={onClose}>
    <Deed
      verb="Fork"
      onClose={onClose}
      work={async (form) => {
        const fork = await forkCompute(compute, { name: String(form.get('name')) })
        take(fork)
        go(`/computes/${fork.id}`)
      }}
    >
      <p>
        A second compute starts on a copy of the files as they are now. Both go on by themselves.
      </p>
      <label>
        Name of the new compute
        <input
          name="name"
          required
          maxLength={100}
          defaultValue={`${compute.name}-fork`}
          autoFocus
          autoComplete="off"
        />
      </label>
    </Deed>
  </Dialog>
)

const DeleteDialog = ({ compute, onClose }: DialogProps) => (
  <Dialog title={`Delete ${compute.name}?`} onClose={onClose}>
    <Deed
      verb="Delete"
      danger
      onClose={onClose}
      work={async (form) => {
        await client.computes.remove(compute.id, { purge: form.get('purge') === 'on' })
        void look(compute.id)
        go('/')
        say(`${compute.name} is being deleted.`)
      }}
    >
      <p>Its files are saved first and stay in the trash for 7 days.</p>
      <label className="check">
        <input type="checkbox" name="purge" />
        Delete the files too, for good
      </label>
    </Deed>
  </Dialog>
)

/** The form of a dialog that does one thing: its problem, its buttons. */
const Deed = ({
  verb,
  danger,
  work,
  onClose,
  children,
}: {
  readonly verb: string
  readonly danger?: boolean
  readonly work: (form: FormData) => Promise<void>
  readonly onClose: () => void
  readonly children: ReactNode
}) => {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    setProblem('')
    try {
      await work(new FormData(event.currentTarget))
      onClose()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      {children}
      <p className="problem" role="alert">
        {problem}
      </p>
      <div className="buttons">
        <button type="button" onClick={onClose} autoFocus={danger === true}>
          Cancel
        </button>
        <button className={danger ? 'danger filled' : 'primary'} disabled={busy}>
          {busy ? `${verb} …` : verb}
        </button>
      </div>
    </form>
  )
}
