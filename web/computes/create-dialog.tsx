import { useEffect, useState, type FormEvent } from 'react'
import { isProblem } from '../../sdk/problem.ts'
import { randomId } from '../../sdk/random-id.ts'
import type { Image, NewCompute } from '../../sdk/types.ts'
import { client } from '../ground/client.ts'
import { Dialog } from '../ground/dialog.tsx'
import { take } from '../ground/fleet.ts'
import { go } from '../ground/route.ts'

/** The platform's image of the local runtime: its computes are on the platform's own machine. */
const HOST = 'host'
const TIERS = [
  ['basic', 'basic: 2 CPU, 4 GiB'],
  ['standard', 'standard: 4 CPU, 8 GiB'],
  ['premium', 'premium: 8 CPU, 16 GiB'],
] as const
const IDLE = [
  [300, '5 minutes'],
  [1800, '30 minutes'],
  [7200, '2 hours'],
  [28_800, '8 hours'],
  [0, 'never by itself'],
] as const

export const CreateDialog = ({ onClose }: { readonly onClose: () => void }) => {
  const [images, setImages] = useState<readonly Image[]>([])
  const [image, setImage] = useState<string>()
  const [problem, setProblem] = useState<{ text: string; field?: string | undefined }>()
  const [busy, setBusy] = useState(false)
  // One key for the whole dialog: pressed twice, or sent again after a lost answer, it is one compute.
  const [key] = useState(randomId)
  useEffect(() => {
    client.images.list().then(
      ({ items }) => setImages(items.filter(({ state }) => state === 'ready')),
      () => {},
    )
  }, [])
  // The platform's own, of which the list has those that its runtime can start.
  const standard = images.find(({ group_id: group }) => group === null)?.name
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setProblem(undefined)
    try {
      const compute = await client.computes.create(wantedOf(form), { key })
      take(compute)
      go(`/computes/${compute.id}`)
    } catch (error) {
      setBusy(false)
      setProblem({
        text: error instanceof Error ? error.message : String(error),
        field: isProblem(error) ? error.field : undefined,
      })
    }
  }
  return (
    <Dialog title="New compute" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Name
          <input name="name" maxLength={100} placeholder="optional" autoFocus autoComplete="off" />
        </label>
        <div className="two">
          <label>
            Image
            <select
              name="image_name"
              value={image ?? standard ?? ''}
              onChange={(event) => setImage(event.target.value)}
            >
              {standard === undefined && <option value="">standard</option>}
              {images.map(({ id, name }) => (
                <option key={id} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Size
            <select name="tier" defaultValue="basic">
              {TIERS.map(([tier, text]) => (
                <option key={tier} value={tier}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <label>
            Hibernates when unused for
            <select name="idle_timeout" defaultValue="1800">
              {IDLE.map(([seconds, text]) => (
                <option key={seconds} value={seconds}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <label>
            Network
            <select name="network" defaultValue="shared">
              <option value="shared">
                {/* Until the list is there nobody knows with what. */}
                {standard === undefined
                  ? 'shared'
                  : standard === HOST
                    ? 'shared with this machine'
                    : 'what the platform allows'}
              </option>
              <option value="none">none</option>
            </select>
          </label>
        </div>
        <label>
          Variables
          <textarea name="env" rows={2} placeholder="NAME=value, one a line" spellCheck={false} />
          <small className="muted">Sealed when stored, never shown again.</small>
        </label>
        <p className="problem" role="alert">
          {problem && `${problem.field === undefined ? '' : `${problem.field}: `}${problem.text}`}
        </p>
        <div className="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button className="primary" disabled={busy}>
            {busy ? 'Creating …' : 'Create'}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

const wantedOf = (form: FormData): NewCompute => {
  const text = (name: string) => String(form.get(name) ?? '').trim()
  const lines = text('env')
    .split('\n')
    .map((line) => line.trim())
  const env = lines
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const at = line.indexOf('=')
      if (at < 1) throw new Error(`"${line}" is no NAME=value`)
      return [line.slice(0, at), line.slice(at + 1)]
    })
  return {
    name: text('name') || undefined,
    image_name: text('image_name') || undefined,
    tier: text('tier'),
    idle_timeout: Number(text('idle_timeout')),
    network: text('network') as 'shared' | 'none',
    env: env.length === 0 ? undefined : Object.fromEntries(env),
  }
}
