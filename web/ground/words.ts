import type { Compute, LifeEvent } from '../../sdk/types.ts'

/** `just now`, `5 min ago`, `in 3 h`. */
export const when = (iso: string, nowMs: number): string => {
  const seconds = Math.round((nowMs - Date.parse(iso)) / 1000)
  if (Math.abs(seconds) < 10) return 'just now'
  const text = duration(Math.abs(seconds))
  return seconds > 0 ? `${text} ago` : `in ${text}`
}

export const duration = (seconds: number): string => {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

export const size = (bytes: number): string => {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`
}

const REASONS: Readonly<Record<string, string>> = {
  created: 'it was created',
  user: 'someone asked for it',
  traffic: 'a request came for it',
  idle: 'nothing used it',
  schedule: 'its schedule says so',
  lifetime: 'its lifetime ended',
  drain: 'its machine was going away',
  operator: 'an operator asked for it',
  lost: 'its sandbox vanished; restored from the last save',
  out_of_memory: 'it ran out of memory',
  evicted: 'its machine evicted it',
  node_lost: 'its machine went away; restored from the last save',
  recovered: 'it was adopted again',
  called_off: 'something was using it',
  save_failed: 'its files could not be saved',
  provision_failed: 'it did not start',
  restore_failed: 'its files could not be restored',
  deleted: 'it was deleted',
  fork: 'it was forked',
  checkpoint: 'saved while running',
}
export const because = (reason: string): string => REASONS[reason] ?? reason

/** One sentence: why it is up, or why it is not. */
export const whySentence = (compute: Compute, userId: string): string => {
  if (compute.state === 'failed') return compute.problem?.message ?? because(compute.reason)
  return compute.reason === 'user' && compute.actor === `user:${userId}`
    ? 'you asked for it'
    : because(compute.reason)
}

export const who = (actor: string, userId: string): string => {
  if (actor === `user:${userId}`) return 'you'
  if (actor.startsWith('user:')) return 'a member'
  if (actor.startsWith('key:')) return 'an API key'
  return actor.replace(/^system:/, '').replaceAll('-', ' ')
}

/** What happened, in a few words, and facts worth a second line. */
export const describeEvent = (event: LifeEvent): { title: string; facts: string } => {
  const { type, state, data } = event
  const title =
    state !== null && TRANSITION.test(type)
      ? state
      : type.replace(/^compute\./, '').replaceAll(/[._]/g, ' ')
  const facts = Object.entries(data)
    .flatMap(([key, value]) => fact(key, value))
    .join(' · ')
  return { title, facts }
}

const TRANSITION =
  /^(compute\.)?(transition|state|requested|provisioning|restoring|running|hibernating|hibernated|waking|terminating|terminated|failed)/

const fact = (key: string, value: unknown): string[] => {
  if (value === null || value === undefined || value === '' || value === false) return []
  if (key.endsWith('Id') || key.endsWith('_id')) return []
  if (/bytes$/i.test(key) && typeof value === 'number')
    return [`${spaced(key.replace(/_?bytes$/i, ''))} ${size(value)}`]
  if (key.endsWith('Ms') && typeof value === 'number')
    return [`${spaced(key.slice(0, -2))} ${duration(Math.round(value / 1000))}`]
  if (key === 'message' || key === 'name') return [String(value)]
  if (typeof value === 'object') return []
  return [`${spaced(key)} ${String(value)}`]
}

const spaced = (key: string): string =>
  key
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()
