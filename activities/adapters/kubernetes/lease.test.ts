import { ApiException, type CoordinationV1Api, type V1Lease } from '@kubernetes/client-node'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { whileLeading } from './lease.ts'

/** One Lease, replaced only by who names its version: the one promise of the API that this stands on. */
const oneLease = () => {
  let lease: V1Lease | undefined
  let version = 0
  const refuse = (code: number) => Promise.reject(new ApiException(code, '', '{}', {}))
  const api = {
    down: false,
    async readNamespacedLease() {
      if (api.down) return refuse(503)
      return lease === undefined ? refuse(404) : structuredClone(lease)
    },
    async createNamespacedLease({ body }: { body: V1Lease }) {
      if (lease !== undefined) return refuse(409)
      lease = { ...body, metadata: { ...body.metadata, resourceVersion: String(++version) } }
      return lease
    },
    async replaceNamespacedLease({ body }: { body: V1Lease }) {
      if (api.down) return refuse(503)
      if (body.metadata?.resourceVersion !== String(version)) return refuse(409)
      lease = { ...body, metadata: { ...body.metadata, resourceVersion: String(++version) } }
      return lease
    },
  }
  return api
}

/** Far apart: while other suites keep both cores busy, a timer may come 100 ms late. */
const TIMINGS = { lastsMs: 1_000, renewEveryMs: 150 }
const contender = (api: ReturnType<typeof oneLease>, identity: string) => {
  let signal: AbortSignal | undefined
  const lease = whileLeading(
    api as unknown as CoordinationV1Api,
    { namespace: 'n', name: 'l', identity },
    (given) => (signal = given),
    TIMINGS,
  )
  return { stop: () => lease.stop(), leads: () => signal !== undefined && !signal.aborted }
}

it('of several one leads, and goes on leading', async () => {
  const api = oneLease()
  const all = ['a', 'b', 'c'].map((identity) => contender(api, identity))
  for (let look = 0; look < 5; look += 1) {
    await sleep(300)
    expect(all.filter((one) => one.leads())).toHaveLength(1)
  }
  await Promise.all(all.map((one) => one.stop()))
})

it('gives way at once when it stops, and to nobody while it renews', async () => {
  const api = oneLease()
  const first = contender(api, 'a')
  await sleep(50)
  const second = contender(api, 'b')
  await sleep(1_500)
  expect([first.leads(), second.leads()]).toEqual([true, false])
  await first.stop()
  await sleep(500)
  expect([first.leads(), second.leads()]).toEqual([false, true])
  await second.stop()
})

it('stops its work before another may take over when it cannot renew', async () => {
  const api = oneLease()
  const first = contender(api, 'a')
  await sleep(50)
  expect(first.leads()).toBe(true)
  api.down = true
  await sleep(TIMINGS.lastsMs)
  expect(first.leads()).toBe(false)
  api.down = false
  await sleep(500)
  expect(first.leads()).toBe(true)
  await first.stop()
})
