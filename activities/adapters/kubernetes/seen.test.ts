import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { expect, it } from 'vitest'
import { LABELS } from './labels.ts'
import { seenOf, seenOfRemoved } from './seen.ts'

const REF = { computeId: 'c0000000000000000000', generation: 3 }
const labels = { [LABELS.compute]: REF.computeId, [LABELS.generation]: String(REF.generation) }
const pod = (more: V1Pod = {}): V1Pod => ({ ...more, metadata: { labels, ...more.metadata } })
const node = (unschedulable: boolean): V1Node => ({ spec: { unschedulable } })
const drains = { ...REF, what: 'draining', why: 'drain' }

it('has nothing to tell of a pod that runs on a node that stays', () => {
  expect(seenOf(pod({ status: { phase: 'Running' } }), node(false))).toBeUndefined()
  expect(seenOf(pod(), undefined)).toBeUndefined()
})

it('tells of a pod that was told to leave, and of one whose node is cordoned', () => {
  expect(seenOf(pod({ metadata: { deletionTimestamp: new Date() } }), node(false))).toEqual(drains)
  expect(seenOf(pod(), node(true))).toEqual(drains)
})

it.each(['karpenter.sh/disrupted', 'karpenter.sh/disruption', 'ToBeDeletedByClusterAutoscaler'])(
  'tells of a pod whose node an autoscaler takes away: it says %s and does not cordon',
  (key) => {
    const leaving: V1Node = { spec: { taints: [{ key, effect: 'NoSchedule' }] } }
    expect(seenOf(pod(), leaving)).toEqual(drains)
  },
)

it('has nothing to tell of a node with the taints that it always has', () => {
  const taints = [
    { key: 'sandbox.gke.io/runtime', effect: 'NoSchedule' },
    { key: 'DeletionCandidateOfClusterAutoscaler', effect: 'PreferNoSchedule' },
  ]
  expect(seenOf(pod(), { spec: { taints } })).toBeUndefined()
})

it('does not ask to save what is deleted by force', () => {
  const metadata = { deletionTimestamp: new Date(), deletionGracePeriodSeconds: 0 }
  expect(seenOf(pod({ metadata }), node(true))).toBeUndefined()
})

it('tells an end rather than a leave, and why', () => {
  const evicted = pod({ status: { phase: 'Failed', reason: 'Evicted' } })
  expect(seenOf(evicted, node(true))).toEqual({ ...REF, what: 'gone', why: 'evicted' })
  expect(seenOfRemoved(evicted)).toEqual({ ...REF, what: 'gone', why: 'evicted' })
  expect(seenOfRemoved(pod())).toEqual({ ...REF, what: 'gone', why: 'lost' })
})

it('is silent about pods that are nobody’s', () => {
  expect(seenOf({ metadata: { deletionTimestamp: new Date() } }, undefined)).toBeUndefined()
  expect(seenOfRemoved({})).toBeUndefined()
})
