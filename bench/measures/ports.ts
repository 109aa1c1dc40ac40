import autocannon from 'autocannon'
import { connectCluster } from '../../activities/adapters/kubernetes/cluster.ts'
import { LABELS } from '../../activities/adapters/kubernetes/labels.ts'
import type { Bench, Measure } from '../bench.ts'
import { figure } from '../figure.ts'

const PORT = 8080
const ANSWER_BYTES = 1_000
/** In the packaged Node, listening everywhere, so that it can be asked past the gateway too. */
const SERVER = `require("http").createServer((q,s)=>s.end("x".repeat(${ANSWER_BYTES}))).listen(${PORT},"0.0.0.0")`

/** Requests a second to a web server in a compute: through the gateway, and straight to where it listens. */
export const ports: Measure = async (bench) => {
  const { client } = bench.visitor
  const { id } = await client.computes.create({ name: 'bench ports' }, { wait: 60 })
  await client.capture(id, {
    command: `setsid /.dormouse/node -e '${SERVER}' >/dev/null 2>&1 </dev/null & sleep 1`,
  })
  const token = await client.api.auth.token()
  const headers = { authorization: `Bearer ${token}` }
  const through = `${bench.stack.gatewayUrl}/compute/${id}/ports/${PORT}/`
  const straight = `http://${await addressOf(bench, id)}:${PORT}/`
  const load = async (url: string, connections: number) => {
    // The first requests make the connections that the others use.
    await autocannon({ url, connections, duration: 2, headers })
    const result = await autocannon({
      url,
      connections,
      duration: bench.quick ? 3 : 10,
      headers,
    })
    if (result.non2xx > 0 || result.errors > 0)
      throw new Error(`${url}: ${result.non2xx} refusals, ${result.errors} errors`)
    return result
  }
  // in turn, so that a slow moment of the machine meets both
  const one = { gateway: await load(through, 1), direct: await load(straight, 1) }
  const many = { gateway: await load(through, 20), direct: await load(straight, 20) }
  await client.computes.remove(id, { purge: true, wait: 60 })
  const peer = 'straight to its server'
  return [
    figure('web server through the gateway, 20 connections', many.gateway.requests.mean, '1/s', {
      value: many.direct.requests.mean,
      name: peer,
    }),
    ...(['p50', 'p99'] as const).map((q) =>
      figure(`web server through the gateway, 1 connection, ${q}`, one.gateway.latency[q], 'ms', {
        value: Math.max(one.direct.latency[q], 1),
        name: `${peer} (at least 1 ms)`,
      }),
    ),
  ]
}

/** Its pod's; on this machine computes share the host's network. */
const addressOf = async ({ stack }: Bench, id: string): Promise<string> => {
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE']
  if (namespace === undefined) return '127.0.0.1'
  const { core } = connectCluster(stack.env['KUBECONFIG'])
  const labelSelector = `${LABELS.compute}=${id}`
  const { items } = await core.listNamespacedPod({ namespace, labelSelector })
  return items[0]?.status?.podIP ?? ''
}
