import { V1MicroTime, type CoordinationV1Api, type V1Lease } from '@kubernetes/client-node'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Leading, Standing } from '../../ports.ts'
import { isNotFound } from './api-errors.ts'

export interface LeaseTimings {
  /** A holder that was not heard of for this long has lost it. */
  readonly lastsMs: number
  readonly renewEveryMs: number
}

const TIMINGS: LeaseTimings = { lastsMs: 8_000, renewEveryMs: 2_000 }

/**
 * Does `work` while this process holds the Lease, and stops it (`signal`) before another may hold it.
 * Clocks of machines differ: another's lease is over when it did not change for `lastsMs` of our own.
 */
export const whileLeading = (
  leases: CoordinationV1Api,
  { namespace, name, identity }: { namespace: string; name: string; identity: string },
  work: (signal: AbortSignal) => void,
  { lastsMs, renewEveryMs }: LeaseTimings = TIMINGS,
): Leading => {
  const stopped = new AbortController()
  let leading: AbortController | undefined
  let renewedAtMs = 0
  let seen: { version: string; atMs: number } | undefined
  let standing: Standing = 'unknown'

  const spec = (transitions: number) => ({
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(lastsMs / 1000),
    renewTime: new V1MicroTime(),
    leaseTransitions: transitions,
  })

  /** True when the Lease is ours now; errors of the API, a lost race among them, throw. */
  const take = async (): Promise<boolean> => {
    let lease: V1Lease
    try {
      lease = await leases.readNamespacedLease({ namespace, name })
    } catch (error) {
      if (!isNotFound(error)) throw error
      await leases.createNamespacedLease({
        namespace,
        body: { metadata: { name, namespace }, spec: spec(0) },
      })
      return true
    }
    const version = lease.metadata?.resourceVersion ?? ''
    const holder = lease.spec?.holderIdentity
    if (seen?.version !== version) seen = { version, atMs: performance.now() }
    const isFree = !holder || performance.now() - seen.atMs > lastsMs
    if (holder !== identity && !isFree) return false
    const transitions = (lease.spec?.leaseTransitions ?? 0) + (holder === identity ? 0 : 1)
    // With the version that was read: of two that find it free, one gets it.
    await leases.replaceNamespacedLease({
      namespace,
      name,
      body: { ...lease, spec: { ...lease.spec, ...spec(transitions) } },
    })
    return true
  }

  const stepDown = (): void => {
    leading?.abort()
    leading = undefined
  }

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      const askedAtMs = performance.now()
      const isOurs = await take().catch(() => undefined)
      if (isOurs === true) renewedAtMs = askedAtMs
      if (isOurs === true && leading === undefined && !stopped.signal.aborted) {
        leading = new AbortController()
        work(leading.signal)
      }
      const isOver = performance.now() - renewedAtMs > lastsMs - renewEveryMs
      if (isOurs === false || (isOurs === undefined && isOver)) stepDown()
      standing = leading !== undefined ? 'leading' : isOurs === false ? 'standby' : 'unknown'
      await sleep(renewEveryMs, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  })()

  return {
    standing: () => standing,
    async stop() {
      stopped.abort()
      await loop
      const held = leading !== undefined
      stepDown()
      // The next one need not wait for it to run out.
      if (held) await release().catch(() => undefined)
    },
  }

  async function release(): Promise<void> {
    const lease = await leases.readNamespacedLease({ namespace, name })
    if (lease.spec?.holderIdentity !== identity) return
    const body = { ...lease, spec: { ...lease.spec, holderIdentity: '' } }
    await leases.replaceNamespacedLease({ namespace, name, body })
  }
}
