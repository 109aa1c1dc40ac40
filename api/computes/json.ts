import type { ComputeRecord } from '../../records/compute-views.ts'
import type { ComputeState } from '../../workflows/compute/contract.ts'
import type { ApiConfig } from '../../config/config.ts'
import type { ComputeJson } from './schema.ts'

/** What a caller sees of a compute, made from Postgres alone. */
export const computeJson = (row: ComputeRecord, config: ApiConfig): ComputeJson => ({
  id: row.id,
  name: row.name,
  group_id: row.group_id,
  owner_id: row.owner_id,
  image_id: row.image_id,
  image_name: row.image_name,
  filesystem_id: row.filesystem_id,
  runtime: row.runtime,
  tier: row.tier,
  network: row.network,
  state: row.state,
  generation: row.generation,
  reason: row.reason,
  actor: row.actor,
  since: row.state_since.toISOString(),
  problem: row.problem,
  idle_timeout: seconds(row.idle_timeout_ms),
  max_lifetime: seconds(row.max_lifetime_ms),
  lifetime_ends_at: row.lifetime_ends_at?.toISOString() ?? null,
  schedule:
    row.schedule === null
      ? null
      : {
          timezone: row.schedule.timezone,
          hibernate: [...row.schedule.hibernate],
          wake: [...row.schedule.wake],
        },
  limits: row.limits,
  delete_requested: row.delete_requested !== null,
  url: `${config.gatewayOrigin}/compute/${row.id}`,
  port_url: portUrl(config, row.id, '{port}'),
  created_at: row.created_at.toISOString(),
  terminated_at: row.terminated_at?.toISOString() ?? null,
  why: why(row),
})

/** Origin of one port of a compute. */
export const portUrl = (config: ApiConfig, computeId: string, port: number | string): string => {
  const gateway = new URL(config.gatewayOrigin)
  const suffix = gateway.port === '' ? '' : `:${gateway.port}`
  return `${gateway.protocol}//${port}-${computeId}.${config.portDomain}${suffix}`
}

const seconds = (milliseconds: string): number => Math.round(Number(milliseconds) / 1000)

const isUp = (state: ComputeState): boolean =>
  ['requested', 'provisioning', 'restoring', 'running', 'waking'].includes(state)

const why = (row: ComputeRecord): ComputeJson['why'] => {
  const words = WORDS[row.reason]
  return {
    ...(isUp(row.state) ? { upBecause: words } : { stoppedBecause: words }),
    reason: row.reason,
    actor: row.actor,
    since: row.state_since.toISOString(),
    ...nextTimer(row),
    ...(row.memory_ended_at === null ? {} : { outOfMemoryAt: row.memory_ended_at.toISOString() }),
  }
}

const nextTimer = (row: ComputeRecord): Pick<ComputeJson['why'], 'nextTimer'> => {
  if (row.state !== 'running') return {}
  if (row.lifetime_ends_at !== null)
    return { nextTimer: { kind: 'lifetime', at: row.lifetime_ends_at.toISOString() } }
  const afterIdleSeconds = seconds(row.idle_timeout_ms)
  return afterIdleSeconds === 0 ? {} : { nextTimer: { kind: 'idle', afterIdleSeconds } }
}

const WORDS: Readonly<Record<ComputeRecord['reason'], string>> = {
  created: 'it was created',
  user: 'someone asked for it',
  traffic: 'a request came for it',
  idle: 'nothing used it for its idle timeout',
  schedule: 'its schedule says so',
  lifetime: 'its lifetime ended',
  drain: 'its node was going away',
  operator: 'an operator asked for it',
  lost: 'its sandbox vanished; restored from the last checkpoint',
  out_of_memory: 'it ran out of memory',
  evicted: 'its node evicted it',
  node_lost: 'its node went away; restored from the last checkpoint',
  recovered: 'it was adopted again after its workflow was gone',
  called_off: 'its hibernation was called off; its events say by what',
  save_failed: 'its filesystem could not be saved, so it stays up',
  provision_failed: 'its sandbox did not start',
  restore_failed: 'its filesystem could not be restored',
  deleted: 'it was deleted',
}
