/** What a person or program does with the platform, and what may be asked of a compute's insides. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, type Client } from '../../sdk/client.ts'
import { noAuth, type Auth } from '../../sdk/http.ts'
import { isProblem } from '../../sdk/problem.ts'
import type { Compute, ComputeState } from '../../sdk/types.ts'
import type { Stack } from './stack.ts'

export interface Visitor {
  readonly client: Client
  state(id: string): Promise<ComputeState>
  /** Waits for a state; a state it may never pass through ends the wait with the compute's own words. */
  until(id: string, state: ComputeState, withinMs: number): Promise<Compute>
  /** stdout of a command that must succeed. */
  run(id: string, command: string): Promise<string>
  /** Makes the tree of inside/make-tree.mjs in the compute's home. */
  makeTree(id: string, tree: TreeSize & { readonly seed: string }): Promise<void>
  /** One hash over everything below the folders. */
  hashTree(id: string, folder?: string): Promise<string>
  /** The call, again while parts of the platform are being killed; refusals by rule are thrown. */
  insist<T>(call: () => Promise<T>, withinMs?: number): Promise<T>
}

export interface TreeSize {
  readonly smallFiles: number
  readonly contiguousMib: number
}

export const visit = async (
  stack: Pick<Stack, 'apiUrl' | 'gatewayUrl' | 'email' | 'password'>,
): Promise<Visitor> => {
  const origins = { apiOrigin: stack.apiUrl, gatewayOrigin: stack.gatewayUrl }
  const auth = loginAuth(origins, stack.email, stack.password)
  const client = openClient({ ...origins, auth })
  await auth.renew()

  const insist: Visitor['insist'] = async (call, withinMs = 120_000) => {
    const deadline = Date.now() + withinMs
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (Date.now() > deadline || !isPassing(error)) throw error
        await sleep(200)
      }
    }
  }
  const ended = async (id: string, request: { command: string; stdin?: string }) => {
    const result = await insist(() => client.capture(id, { ...request, timeoutMs: 300_000 }))
    if (result.exitCode !== 0)
      throw new Error(
        `${request.command} ended with ${result.exitCode}: ${result.stderr.slice(-2_000)}`,
      )
    return result.stdout
  }
  /** In one step: a sleep between two would take away what the first had put into /tmp. */
  const inside = async (id: string, script: string, args: string): Promise<string> => {
    const stdin = await readFile(path.join(import.meta.dirname, 'inside', script), 'utf8')
    return ended(id, { command: `/.dormouse/node --input-type=module - ${args}`, stdin })
  }
  const visitor: Visitor = {
    client,
    insist,
    state: async (id) => (await insist(() => client.computes.get(id))).state,
    async until(id, state, withinMs) {
      const deadline = Date.now() + withinMs
      for (;;) {
        const compute = await insist(() => client.computes.get(id))
        if (compute.state === state) return compute
        if (Date.now() > deadline)
          throw new Error(`still ${compute.state}, not ${state}: ${JSON.stringify(compute)}`)
        await sleep(100)
      }
    },
    run: (id, command) => ended(id, { command }),
    async makeTree(id, { seed, smallFiles, contiguousMib }) {
      await inside(id, 'make-tree.mjs', `tree ${seed} ${smallFiles} ${contiguousMib}`)
    },
    async hashTree(id, folder = 'tree') {
      const out = await inside(id, 'hash-tree.mjs', folder)
      return (JSON.parse(out) as { hash: string }).hash
    },
  }
  return visitor
}

/** Failures that a caller is told to repeat: connection cut, 502, 503, 504. */
const isPassing = (error: unknown): boolean =>
  isProblem(error) ? error.status === 0 || error.status >= 502 : error instanceof TypeError

const loginAuth = (
  origins: { apiOrigin: string; gatewayOrigin: string },
  email: string,
  password: string,
): Auth => {
  const anonymous = openClient({ ...origins, auth: noAuth })
  let token: string | undefined
  return {
    token: async () => token,
    async renew() {
      token = (await anonymous.login(email, password)).accessToken
      return true
    },
  }
}
