import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import type { Cause, ComputeProblem } from '../workflows/compute/contract.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { Target } from './contract.ts'
import { createProvision } from './provision.ts'
import { startGround, type Ground } from './testing/ground.ts'

const cause: Cause = { reason: 'user', actor: 'user:suite' }
const noRoom = (at: string): ComputeProblem => ({
  ...{ code: 'NoNodeFits', message: 'no node of the cluster has room', retryable: true, at },
})

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

describe('why a compute does not come up', () => {
  const told = async (computeId: string) => {
    const { state, problem } = (await findCompute(ground.db, computeId)) ?? {}
    return { state, code: problem?.code ?? null }
  }
  const from = (reason: Cause['reason']): Cause => ({ reason, actor: 'system:workflow' })

  /** A try whose sandbox starts or does not, and what the row says while it is under way. */
  const tryTo = async (target: Target, as: 'provisioning' | 'waking', starts: boolean) => {
    let meanwhile: Awaited<ReturnType<typeof told>> | undefined
    const runtime = {
      ...ground.runtime,
      ensure: async (spec: Parameters<typeof ground.runtime.ensure>[0]) => {
        meanwhile = await told(target.computeId)
        if (!starts) throw new DormouseError('NoNodeFits', 'no node of the cluster has room')
        return ground.runtime.ensure(spec)
      },
    }
    const outcome = createProvision({ ...ground.deps, runtime })({ ...target, as, cause })
    if (starts) await outcome
    else await expect(outcome).rejects.toMatchObject({ name: 'NoNodeFits' })
    return meanwhile
  }

  it('stays said while the next try is under way, and not once it is up', async () => {
    const computeId = await ground.newCompute()
    const target = { computeId, generation: 1 }
    expect(await tryTo(target, 'provisioning', false)).toEqual({
      state: 'provisioning',
      code: null,
    })
    const to = 'provisioning'
    const trouble = { ...target, to, cause: from('provision_failed') } as const
    await ground.control.record({ ...trouble, problem: noRoom('2026-01-01T00:00:00Z') })
    const still = { state: 'provisioning', code: 'NoNodeFits' }
    expect(await tryTo(target, 'provisioning', false)).toEqual(still)
    await ground.control.record({ ...trouble, problem: noRoom('2026-01-01T00:00:01Z') })
    expect(await tryTo(target, 'provisioning', true)).toEqual(still)
    expect(await told(computeId)).toEqual({ state: 'running', code: null })
  })

  it('stays said when another generation takes the place of one that died while its files came back', async () => {
    const computeId = await ground.newCompute()
    const of = (generation: number): Target => ({ computeId, generation })
    const [first, second, third] = [of(1), of(2), of(3)] as const
    await ground.control.provision({ ...first, as: 'provisioning', cause })
    await ground.run(computeId, 'echo saved > ~/file')
    await ground.data.save({ ...first, mode: 'hibernate', cause })
    await tryTo(second, 'waking', true)
    const problem = noRoom('2026-01-01T00:00:00Z')
    const trouble = { ...second, to: 'restoring', cause: from('restore_failed'), problem } as const
    await ground.control.record(trouble)
    await ground.control.stop({ ...second, to: 'waking', cause: from('lost'), keepTree: true })
    expect(await tryTo(third, 'waking', true)).toEqual({ state: 'waking', code: 'NoNodeFits' })
    expect(await told(computeId)).toEqual({ state: 'restoring', code: 'NoNodeFits' })
  })

  it('is not said of a start that somebody asked for after it was given up', async () => {
    const computeId = await ground.newCompute()
    const target = { computeId, generation: 1 }
    await tryTo(target, 'provisioning', false)
    const problem = noRoom('2026-01-01T00:00:00Z')
    const cause = from('provision_failed')
    await ground.control.stop({ ...target, to: 'failed', cause, keepTree: true, problem })
    expect(await told(computeId)).toEqual({ state: 'failed', code: 'NoNodeFits' })
    const next = { computeId, generation: 2 }
    expect(await tryTo(next, 'provisioning', true)).toEqual({ state: 'provisioning', code: null })
  })
})
