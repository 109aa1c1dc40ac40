import { describe, expect, it } from 'vitest'
import { anySpec } from '../../contracts/runtime.contract.ts'
import type { SandboxSpec } from '../../ports.ts'
import { podName, refOf, selector } from './labels.ts'
import { HEADROOM_BYTES, podManifest, type PodShape } from './pod-manifest.ts'

const SHAPE: PodShape = {
  namespace: 'computes',
  installation: 'here',
  runtimeClass: 'gvisor',
  sidekickImage: 'registry/sidekick:1',
  sidekickMount: 'copy',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  canaries: ['10.0.0.1:443'],
  requestPercent: 100,
  saveGraceSeconds: 600,
  treeStorageClass: '',
  scratchMib: 0,
}
const spec: SandboxSpec = { ...anySpec(), image: { name: 'base', digest: 'base' }, generation: 7 }
const made = (more: Partial<PodShape> = {}, of: SandboxSpec = spec) =>
  podManifest(of, 'registry/base:1', { ...SHAPE, ...more })

describe('the pod of a sandbox', () => {
  it('is named after compute and generation, and its labels lead back to both', () => {
    expect(made().metadata?.name).toBe(podName(spec))
    expect(refOf(made())).toEqual({ computeId: spec.computeId, generation: 7 })
    const labels = made().metadata?.labels ?? {}
    for (const term of selector('here', spec.computeId).split(',')) {
      const [key = '', value] = term.split('=')
      expect(labels[key]).toBe(value)
    }
  })

  it('keeps to Pod Security "restricted" in every container', () => {
    const pod = made().spec
    const containers = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])]
    expect(containers).toHaveLength(2)
    for (const { securityContext } of containers)
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        privileged: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      })
    expect(pod).toMatchObject({
      runtimeClassName: 'gvisor',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      restartPolicy: 'Never',
    })
  })

  it('shows the sidekick read-only and no volume of the node or the cluster', () => {
    for (const sidekickMount of ['copy', 'image'] as const) {
      const pod = made({ sidekickMount }).spec
      const mounts = pod?.containers[0]?.volumeMounts ?? []
      expect(mounts.find(({ mountPath }) => mountPath === '/.dormouse')?.readOnly).toBe(true)
      for (const { name, ...source } of pod?.volumes ?? [])
        expect(Object.keys(source), name).toEqual([
          name === 'sidekick' && sidekickMount === 'image' ? 'image' : 'emptyDir',
        ])
    }
    expect(made({ sidekickMount: 'image' }).spec?.initContainers).toBeUndefined()
  })

  it('carries no limit on a volume: reaching one would evict the pod with its files', () => {
    for (const { emptyDir } of made().spec?.volumes ?? [])
      expect(emptyDir?.sizeLimit).toBeUndefined()
  })

  it('with a storage class has its trees on one volume of its own, of their size', () => {
    const pod = made({ treeStorageClass: 'fast' }, { ...spec, treeBytes: 17 * 2 ** 30 }).spec
    expect(pod?.volumes?.find(({ name }) => name === 'trees')?.ephemeral).toEqual({
      volumeClaimTemplate: {
        spec: {
          storageClassName: 'fast',
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: String(17 * 2 ** 30) } },
        },
      },
    })
    const mounts = pod?.containers[0]?.volumeMounts ?? []
    expect(mounts.filter(({ name }) => name === 'trees')).toEqual([
      { name: 'trees', mountPath: '/home/user', subPath: 'home' },
      { name: 'trees', mountPath: '/opt/env', subPath: 'env' },
    ])
    // What a save notes for itself must not need room on a disk that is full.
    expect(mounts.find(({ mountPath }) => mountPath === '/tmp')?.name).toBe('tmp')
    expect(pod?.volumes?.find(({ name }) => name === 'tmp')?.emptyDir).toEqual({})
    const scratch = made({ treeStorageClass: 'fast', scratchMib: 512 }).spec?.volumes
    expect(
      scratch?.find(({ name }) => name === 'tmp')?.ephemeral?.volumeClaimTemplate?.spec.resources,
    ).toEqual({ requests: { storage: String(2 ** 29) } })
  })

  it('limits what the tier says, and asks for the percentage of what the tier sets aside', () => {
    const requests = { cpuMillis: 1_000, memoryBytes: 2 ** 31 }
    const basic = { ...spec, cpuMillis: 2_000, memoryBytes: 2 ** 32, requests }
    const resources = (requestPercent: number) =>
      made({ requestPercent }, basic).spec?.containers[0]?.resources
    expect(resources(100)).toEqual({
      limits: { cpu: '2000m', memory: String(2 ** 32 + HEADROOM_BYTES) },
      requests: { cpu: '1000m', memory: String(2 ** 31) },
    })
    expect(resources(50)?.requests).toEqual({ cpu: '500m', memory: String(2 ** 30) })
    // Never less than a sidekick needs, never more than the limit.
    expect(resources(1)?.requests).toEqual({ cpu: '10m', memory: String(64 * 2 ** 20) })
    expect(resources(1_000)?.requests).toEqual({ cpu: '2000m', memory: String(2 ** 32) })
  })

  it('without a network asks nobody for names; with one, the node’s resolver and not the cluster’s', () => {
    expect(made().spec).toMatchObject({
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['127.0.0.1'] },
    })
    expect(made({}, { ...spec, network: 'shared' }).spec?.dnsPolicy).toBe('Default')
  })

  it('stays for its last save, a little shorter than the kubelet waits', () => {
    const pod = made({ saveGraceSeconds: 600 }).spec
    expect(pod?.terminationGracePeriodSeconds).toBe(600)
    const args = pod?.containers[0]?.args ?? []
    expect(Number(args[args.indexOf('--term-grace-ms') + 1])).toBe(595_000)
  })
})
