import { ApiException, type V1Node, type V1Pod } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import type { Cluster } from './cluster.ts'
import { chooseMount, nodesMountImages } from './image-volumes.ts'

const node = (kubeletVersion: string, containerRuntimeVersion: string): V1Node =>
  ({ status: { nodeInfo: { kubeletVersion, containerRuntimeVersion } } }) as V1Node
const POD: V1Pod = { spec: { containers: [], volumes: [{ name: 'sidekick', image: {} }] } }

/** A cluster whose API answers a dry run so; counts how often it was asked. */
const clusterThat = (dryRun: () => Promise<V1Pod>) => {
  const asked = { times: 0 }
  const cluster = {
    config: { makeApiClient: () => ({ getCode: async () => ({ gitVersion: 'v1.35.0' }) }) },
    core: {
      listNode: async () => ({ items: [node('v1.35.1', 'containerd://2.2.0')] }),
      createNamespacedPod: (request: { dryRun?: string }) => {
        expect(request.dryRun).toBe('All')
        asked.times += 1
        return dryRun()
      },
    },
  } as unknown as Cluster
  return { cluster, asked }
}
const refusal = (code: number) => () => Promise.reject(new ApiException(code, 'no', {}, {}))

describe('how the sidekick is mounted', () => {
  it('as an image where the API keeps such a volume; asked once', async () => {
    const { cluster, asked } = clusterThat(() => Promise.resolve(POD))
    const choose = chooseMount(cluster, 'auto')
    expect([await choose('n', POD), await choose('n', POD)]).toEqual(['image', 'image'])
    expect(asked.times).toBe(1)
  })

  it('copied where the API takes it away', async () => {
    const { cluster, asked } = clusterThat(refusal(422))
    const choose = chooseMount(cluster, 'auto')
    expect([await choose('n', POD), await choose('n', POD)]).toEqual(['copy', 'copy'])
    expect(asked.times).toBe(1)
  })

  it('copied this once where it could not be asked: a quota, an API that does not answer', async () => {
    const { cluster, asked } = clusterThat(refusal(403))
    const choose = chooseMount(cluster, 'auto')
    expect([await choose('n', POD), await choose('n', POD)]).toEqual(['copy', 'copy'])
    expect(asked.times).toBe(2)
  })

  it('as was said, without asking', async () => {
    const { cluster, asked } = clusterThat(refusal(500))
    expect(await chooseMount(cluster, 'image')('n', POD)).toBe('image')
    expect(asked.times).toBe(0)
  })

  it.each([
    ['v1.34.4', 'v1.34.4', 'containerd://2.1.5', true],
    ['v1.34.4', 'v1.33.5-gke.1', 'containerd://v2.1.5', true],
    ['v1.35.0', 'v1.35.2', 'cri-o://1.35.0', true],
    // Its gate was off by default, whatever the API server says.
    ['v1.35.0', 'v1.34.4', 'containerd://2.1.5', false],
    ['v1.35.0', 'v1.35.2', 'containerd://2.0.7', false],
    ['v1.35.0', 'v1.35.2', 'containerd://1.7.29', false],
    ['v1.35.0', 'v1.35.2', 'unknown://9.9', false],
  ])('API %s, kubelet %s, %s: %s', (server, kubelet, runtime, mounts) => {
    const modern = node('v1.36.0', 'containerd://2.3.0')
    expect(nodesMountImages([modern, node(kubelet, runtime)], server)).toBe(mounts)
  })
})
