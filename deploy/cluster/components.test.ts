import { describe, expect, it } from 'vitest'
import { componentsOf } from './components.ts'
import { CONTROL_NAMESPACE, placesOf } from './places.ts'

const components = componentsOf(placesOf({ DORMOUSE_CLUSTER_DIR: '/state' }), '/programs')
const named = (name: string) => components.find((component) => component.name === name)

describe('the plan of a cluster', () => {
  it('starts a part only after those whose readiness it needs', () => {
    const givers = { api: 'kube-apiserver', cri: 'containerd', node: 'kubelet' } as const
    const order = components.map(({ name }) => name)
    for (const { name, needs } of components)
      for (const need of needs)
        expect(order.indexOf(givers[need]), `${name} after ${need}`).toBeLessThan(
          order.indexOf(name),
        )
  })

  it('keeps etcd and the API server on a host of their own, where network policies hold for them', () => {
    for (const name of ['etcd', 'kube-apiserver'])
      expect(named(name)?.command.slice(0, 4)).toEqual(['ip', 'netns', 'exec', CONTROL_NAMESPACE])
    expect(named('kubelet')?.command[0]).toBe('/programs/kubelet')
  })

  it('has etcd reachable for nobody but the API server beside it', () => {
    const listens = named('etcd')?.command.filter((word) => word.startsWith('--listen')) ?? []
    expect(listens).toHaveLength(2)
    for (const word of listens) expect(word).toMatch(/=http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('writes only below its own folder', () => {
    const written = components.flatMap(({ command }) =>
      command.filter((word) => /^--(data-dir|root-dir|cert-dir|config)=/.test(word)),
    )
    expect(written.length).toBeGreaterThan(3)
    for (const word of written) expect(word.split('=')[1]).toMatch(/^\/state\//)
  })
})
