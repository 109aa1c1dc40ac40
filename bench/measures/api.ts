import autocannon from 'autocannon'
import type { Measure } from '../bench.ts'
import { figure } from '../figure.ts'

/** Reads at 200 requests a second, against /healthz at the same rate. */
export const api: Measure = async ({ stack, visitor, quick }) => {
  const { client } = visitor
  const { id } = await client.computes.create({ name: 'bench api' }, { wait: 60 })
  const token = await client.api.auth.token()
  const load = (path: string) =>
    autocannon({
      url: `${stack.apiUrl}${path}`,
      connections: 10,
      overallRate: 200,
      duration: quick ? 3 : 15,
      headers: { authorization: `Bearer ${token}` },
    })
  const floor = await load('/healthz')
  const one = await load(`/api/computes/${id}`)
  const list = await load('/api/computes')
  await client.computes.remove(id, { purge: true, wait: 60 })
  const line = (name: string, result: autocannon.Result, q: 'p50' | 'p99') => {
    if (result.non2xx > 0 || result.errors > 0)
      throw new Error(`${name}: ${result.non2xx} refusals, ${result.errors} errors`)
    return figure(`${name} at 200/s, ${q}`, result.latency[q], 'ms', {
      value: Math.max(floor.latency[q], 1),
      name: 'GET /healthz (at least 1 ms)',
    })
  }
  return (['p50', 'p99'] as const).flatMap((q) => [
    line('GET one compute', one, q),
    line('GET all computes', list, q),
  ])
}
