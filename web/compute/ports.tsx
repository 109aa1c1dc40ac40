import type { FormEvent } from 'react'
import type { Compute } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'
import { sayFailure } from '../ground/notices.tsx'

/** Opens what listens inside, in a tab of its own. */
export const Ports = ({ compute }: { readonly compute: Compute }) => {
  const open = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const port = Number(new FormData(event.currentTarget).get('port'))
    // Opened in the click's own turn, or the browser takes it for a pop-up.
    const tab = window.open('about:blank', '_blank')
    client.door({ compute_id: compute.id, purpose: 'port', port }).then(
      ({ url }) => {
        if (tab === null) return
        tab.opener = null
        tab.location.href = url
      },
      (error: unknown) => {
        tab?.close()
        sayFailure(error)
      },
    )
  }
  if (compute.state !== 'running') return null
  return (
    <section className="card ports" aria-label="Ports">
      <form onSubmit={open}>
        <label htmlFor="port">Port</label>
        <input
          id="port"
          name="port"
          type="number"
          min={1}
          max={65_535}
          required
          placeholder="3000"
        />
        <button>Open ↗</button>
      </form>
    </section>
  )
}
