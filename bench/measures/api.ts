import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Measure } from '../bench.ts'
import { figure, quantile } from '../figure.ts'

const PER_SECOND = 200

/** Reads at 200 requests a second, evenly, against /healthz at the same rate. */
export const api: Measure = async ({ stack, visitor, quick }) => {
  const { client } = visitor
  const { id } = await client.computes.create({ name: 'bench api' }, { wait: 60 })
  const token = await client.api.auth.token()
  const pool = new Pool(stack.apiUrl, { connections: 50 })
  const load = async (path: string): Promise<readonly number[]> => {
    await reads(pool, path, token, PER_SECOND)
    return reads(pool, path, token, PER_SECOND * (quick ? 3 : 15))
  }
  const floor = await load('/healthz')
  const one = await load(`/api/computes/${id}`)
  const list = await load('/api/computes')
  await pool.close()
  await client.computes.remove(id, { purge: true, wait: 60 })
  const line = (name: string, latencies: readonly number[], q: number) =>
    figure(`${name} at ${PER_SECOND}/s, p${q * 100}`, quantile(latencies, q), 'ms', {
      value: quantile(floor, q),
      name: 'GET /healthz',
    })
  return [0.5, 0.99].flatMap((q) => [
    line('GET one compute', one, q),
    line('GET all computes', list, q),
  ])
}

/**
 * Milliseconds from the moment each was due: a slow answer holds up none after it, and none is left
 * out. Not by autocannon, whose overallRate sends a whole second's share at once.
 */
const reads = async (
  pool: Pool,
  path: string,
  token: string | undefined,
  count: number,
): Promise<readonly number[]> => {
  const headers = { authorization: `Bearer ${token}` }
  const start = performance.now()
  const read = async (n: number): Promise<number> => {
    const due = start + (n * 1_000) / PER_SECOND
    await sleep(Math.max(0, due - performance.now()))
    const { statusCode, body } = await pool.request({ method: 'GET', path, headers })
    await body.dump()
    if (statusCode !== 200) throw new Error(`GET ${path}: ${statusCode}`)
    return performance.now() - due
  }
  return Promise.all(Array.from({ length: count }, (_, n) => read(n)))
}
