import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { runTool } from '../local/run-tool.ts'
import { newId } from '../../records/ids.ts'
import { installWorkloads, kubectl, type Workloads } from '../../test/support/workloads.ts'
import { forward, type Forward } from './testing/forward.ts'
import { computeOf, listener, reached, startPod } from './testing/pods.ts'

const namespace = `wall-${newId().slice(0, 8)}`
const system = `${namespace}-system`
const compute = { namespace, name: 'compute' }
const stranger = { namespace: system, name: 'stranger' }
const KUBELET = 10_250
const NODE_PORT = 31_999

const chain = `DORMOUSE-${createHash('sha256').update(namespace).digest('hex').slice(0, 12)}`

let walls: Workloads
let onNode: Forward
let node: string

const install = (enabled: boolean) =>
  installWorkloads(namespace, {
    values: {
      image: { repository: 'docker.io/dormouse/platform', tag: 'dev', pullPolicy: 'Never' },
      nodeWall: { enabled },
    },
  })

beforeAll(async () => {
  node = await kubectl([
    ...['get', 'nodes', '--output'],
    'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
  ])
  // In the range of node ports, which kube-router leaves open on the node whatever the policies say.
  onNode = await forward('0.0.0.0', () => '127.0.0.1:9', NODE_PORT)
  walls = await install(false)
  await startPod(listener(compute, computeOf(namespace, 'shared')))
  await startPod(listener(stranger))
})
afterAll(async () => {
  await walls?.end()
  onNode?.close()
})

const ofNode = () => [`${node}:${KUBELET}`, `${node}:${NODE_PORT}`]

describe('the addresses of the node that a compute runs on', () => {
  it('are not all closed to it without the wall, whatever the policies say', async () => {
    // Where this fails, the network plugin closes them by itself, and the wall is not needed.
    expect(await reached(compute, ofNode())).toContain(`${node}:${NODE_PORT}`)
  })

  it('are closed to it by the wall, and open to pods that are no computes', async () => {
    await install(true)
    const place = ['--namespace', system, 'daemonset/walls-dormouse-node-wall']
    await kubectl(['rollout', 'status', '--timeout=60s', ...place])
    expect(await reached(compute, ofNode())).toEqual([])
    expect(await reached(stranger, ofNode())).toEqual(ofNode())
  })

  it('are closed to one that starts later', async () => {
    const later = { namespace, name: 'later' }
    await startPod(listener(later, computeOf(namespace, 'shared')))
    expect(await reached(later, ofNode())).toEqual([])
  })

  it('stay closed when the wall’s keeper is gone', async () => {
    await kubectl([
      'delete',
      'pod',
      '-n',
      system,
      '-l',
      'app.kubernetes.io/component=node-wall',
      '--now',
    ])
    expect(await reached(compute, ofNode())).toEqual([])
  })

  it('take the node’s own connections to a compute, and answers to them', async () => {
    const path = ['get', '-n', namespace, 'pod/compute', '--output', 'jsonpath={.status.podIP}']
    const socket = connect(7070, await kubectl(path)).resume()
    // The listener closes at once: that is the answer which has to come through.
    await once(socket, 'end', { signal: AbortSignal.timeout(5_000) })
  })

  it('are free of rules when the last compute and the wall are gone', async () => {
    await install(true)
    await kubectl(['delete', 'pods', '--all', '-n', namespace, '--now'])
    expect(await runTool('iptables-save', ['-t', 'mangle'])).toContain(chain)
    await install(false)
    await vi.waitFor(
      async () => expect(await runTool('iptables-save', ['-t', 'mangle'])).not.toContain(chain),
      { timeout: 60_000 },
    )
  })
})
