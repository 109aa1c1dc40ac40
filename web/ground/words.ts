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
  called_off: 'its hibernation was called off',
  save_failed: 'its files could not be saved',
  provision_failed: 'it did not start',
  restore_failed: 'its files could not be restored',
  deleted: 'it was deleted',
  fork: 'it was forked',
  checkpoint: 'saved while running',
}
export const because = (reason: string): string => REASONS[reason] ?? reason

/** One sentence: why it is up, or why it is not. */
export const whySentence = (compute: Compute, userId: string): string =>
  compute.state === 'failed'
    ? (compute.problem?.message ?? because(compute.reason))
    : wish(compute.reason, compute.actor, userId)

const wish = (reason: string, actor: string, userId: string): string =>
  reason === 'user' && actor === `user:${userId}` ? 'you asked for it' : because(reason)

export const who = (actor: string, userId: string): string => {
  if (actor === `user:${userId}`) return 'you'
  if (actor.startsWith('user:')) return 'a member'
  if (actor.startsWith('key:')) return 'an API key'
  return actor.replace(/^system:/, '').replaceAll('-', ' ')
}

/** What happened, in a few words, and a second line: why, who, and facts worth it. */
export const describeEvent = (
  event: LifeEvent,
  userId: string,
): { title: string; facts: string } => {
  const { type, state, actor, data } = event
  const title =
    state !== null && TRANSITION.test(type)
      ? state
      : type.replace(/^compute\./, '').replaceAll(/[._]/g, ' ')
  const why = reasonOf(event, userId)
  const facts = [
    ...why,
    // "you asked for it" has said who.
    ...(why[0]?.startsWith('you ') ? [] : [who(actor, userId)]),
    ...Object.entries(data).flatMap(([key, value]) => fact(key, value)),
  ].join(' · ')
  return { title, facts }
}

const reasonOf = ({ reason, actor, data }: LifeEvent, userId: string): string[] => {
  if (reason === null) return []
  if (reason !== 'called_off') return [wish(reason, actor, userId)]
  // The event knows which of the two it was; the compute alone does not.
  return [
    typeof data['activity'] === 'string'
      ? 'something was using it'
      : data['idleTimeoutMs'] === 0
        ? 'its idle timeout was turned off'
        : because(reason),
  ]
}

const TRANSITION =
  /^(compute\.)?(transition|state|requested|provisioning|restoring|running|hibernating|hibernated|waking|terminating|terminated|failed)/

const fact = (key: string, value: unknown): string[] => {
  if (value === null || value === undefined || value === '' || value === false) return []
  if (key.endsWith('Id') || key.endsWith('_id') || key === 'digest') return []
  if (/bytes$/i.test(key) && typeof value === 'number')
    return [`${spaced(key.replace(/_?bytes$/i, ''))} ${size(value)}`]
  if (key === 'reason') return [because(String(value))]
  if (key.endsWith('Ms') && typeof value === 'number')
    return value === 0 ? [] : [`${spaced(key.slice(0, -2))} ${duration(Math.round(value / 1000))}`]
  if (key === 'message' || key === 'name') return [String(value)]
  if (typeof value === 'object') return []
  return [`${spaced(key)} ${String(value)}`]
}

const spaced = (key: string): string =>
  key
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()
