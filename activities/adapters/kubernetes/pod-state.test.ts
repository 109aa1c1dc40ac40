import type { V1ContainerState, V1Pod, V1PodCondition, V1PodStatus } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { endOf, isCutOff, troubleOf, troubleOfWarnings } from './pod-state.ts'

/** Statuses as Kubernetes 1.34 with containerd 2.1 and gVisor wrote them, without what nobody reads. */
const pod = (status: V1PodStatus): V1Pod => ({ status })
const condition = (type: string, status: string, reason?: string, message?: string) =>
  ({ type, status, ...(reason && { reason }), ...(message && { message }) }) as V1PodCondition
const container = (state: V1ContainerState, name = 'compute', image = 'docker.io/x/y:1') => ({
  ...{ name, image, imageID: '', ready: false, restartCount: 0 },
  state,
})
const scheduled = condition('PodScheduled', 'True')
const finishedAt = new Date('2026-11-21T15:06:34Z')
const ended = (exitCode: number, reason: string, more: Partial<V1PodStatus> = {}): V1Pod =>
  pod({
    phase: 'Failed',
    conditions: [condition('Ready', 'False', 'PodFailed'), scheduled],
    containerStatuses: [container({ terminated: { exitCode, reason, finishedAt } })],
    ...more,
  })

const STARTING = pod({
  phase: 'Pending',
  conditions: [condition('Ready', 'False', 'ContainersNotReady'), scheduled],
  containerStatuses: [container({ waiting: { reason: 'PodInitializing' } })],
})
const RUNNING = pod({
  phase: 'Running',
  conditions: [condition('Ready', 'True'), scheduled],
  containerStatuses: [container({ running: { startedAt: finishedAt } })],
})
const EVICTING = pod({
  phase: 'Running',
  conditions: [
    condition('Ready', 'True'),
    scheduled,
    condition('DisruptionTarget', 'True', 'EvictionByEvictionAPI', 'Eviction API: evicting'),
  ],
  containerStatuses: [container({ running: { startedAt: finishedAt } })],
})

describe('the end of a pod', () => {
  it('is none while it starts, runs, or is asked to leave', () => {
    expect([STARTING, RUNNING, EVICTING].map(endOf)).toEqual([undefined, undefined, undefined])
  })

  it.each([
    ['a crash', ended(137, 'Error'), 'lost'],
    ['an end by itself', ended(0, 'Completed', { phase: 'Succeeded' }), 'lost'],
    [
      'out of memory: under gVisor the sandbox goes, with exit code 128',
      ended(128, 'OOMKilled'),
      'out_of_memory',
    ],
    [
      'an eviction for disk pressure',
      pod({
        phase: 'Failed',
        reason: 'Evicted',
        message: 'The node was low on resource: ephemeral-storage.',
      }),
      'evicted',
    ],
    [
      'an eviction by the API',
      ended(0, 'Completed', { conditions: EVICTING.status?.conditions ?? [] }),
      'evicted',
    ],
    [
      'a node that was removed',
      pod({
        phase: 'Failed',
        reason: 'NodeLost',
        message: 'Node node1 which was running pod is gone',
      }),
      'node_lost',
    ],
  ])('%s', (_what, one, because) => {
    expect(endOf(one)?.because).toBe(because)
  })

  it('says when, where the container knows', () => {
    expect(endOf(ended(137, 'Error'))?.atMs).toBe(+finishedAt)
  })

  it('of a pod on a node nobody hears of is not known', () => {
    const silent = pod({
      phase: 'Running',
      conditions: [condition('Ready', 'False'), scheduled],
      containerStatuses: [container({ running: { startedAt: finishedAt } })],
    })
    expect(endOf(silent)).toBeUndefined()
    expect([isCutOff(silent), isCutOff(RUNNING), isCutOff(STARTING)]).toEqual([true, false, false])
  })
})

describe('what keeps a pod from coming up', () => {
  it('is nothing while it pulls, starts or runs', () => {
    expect([STARTING, RUNNING, pod({ phase: 'Pending' })].map(troubleOf)).toEqual([
      ...[undefined, undefined, undefined],
    ])
  })

  it.each([
    [
      'ImagePullFailed',
      true,
      pod({
        phase: 'Pending',
        conditions: [scheduled],
        containerStatuses: [
          container({
            waiting: {
              reason: 'ErrImageNeverPull',
              message: 'Container image "docker.io/x/y:1" is not present with pull policy of Never',
            },
          }),
        ],
      }),
    ],
    [
      'NoNodeFits',
      false,
      pod({
        phase: 'Pending',
        conditions: [
          condition(
            'PodScheduled',
            'False',
            'Unschedulable',
            '0/1 nodes are available: 1 Insufficient cpu.',
          ),
        ],
      }),
    ],
    ['OutOfMemory', true, ended(128, 'OOMKilled')],
    ['Evicted', true, pod({ phase: 'Failed', reason: 'Evicted', message: 'low on resource' })],
    ['NodeLost', true, pod({ phase: 'Failed', reason: 'NodeLost' })],
    [
      'ProvisionFailed',
      true,
      pod({
        phase: 'Failed',
        conditions: [scheduled],
        containerStatuses: [
          container({
            terminated: {
              exitCode: 128,
              reason: 'StartError',
              message: 'failed to load /.dormouse/node: no such file or directory',
            },
          }),
        ],
      }),
    ],
    [
      'ProvisionFailed',
      true,
      pod({
        phase: 'Failed',
        initContainerStatuses: [container({ terminated: { exitCode: 1 } }, 'sidekick')],
        containerStatuses: [container({ waiting: { reason: 'PodInitializing' } })],
      }),
    ],
  ])('%s, lasting: %s', (name, lasting, one) => {
    expect(troubleOf(one)).toMatchObject({ name, lasting })
  })

  it('is told with the cluster’s own words', () => {
    expect(troubleOf(ended(1, 'Error'))?.message).toContain('exit code 1')
    const init = pod({
      phase: 'Failed',
      initContainerStatuses: [container({ terminated: { exitCode: 7 } }, 'sidekick')],
    })
    expect(troubleOf(init)?.message).toContain('sidekick could not be put in place (exit code 7)')
  })

  it('is known from events before the status says it', () => {
    const failed = {
      reason: 'Failed',
      message: 'Failed to pull image "docker.io/x/y:1": failed to resolve reference: not found',
    }
    expect(troubleOfWarnings([failed])).toMatchObject({ name: 'ImagePullFailed', lasting: true })
    expect(
      troubleOfWarnings([{ reason: 'FailedScheduling', message: '0/1 nodes' }]),
    ).toBeUndefined()
    const claim =
      'ephemeral volume trees: create PVC x-trees: persistentvolumeclaims "x-trees" is forbidden: exceeded quota: tight, requested: requests.storage=10Gi'
    expect(troubleOfWarnings([{ reason: 'FailedBinding', message: claim }])).toMatchObject({
      name: 'QuotaExceeded',
      message: 'the quota of volumes is used up: tight, requested: requests.storage=10Gi',
    })
  })
})
