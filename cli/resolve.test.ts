import { describe, expect, it } from 'vitest'
import type { Compute } from '../sdk/types.ts'
import { describeFailure, EXIT } from './exit-codes.ts'
import { pick } from './resolve.ts'

const computes = [
  { id: 'abc1', name: 'web' },
  { id: 'abd2', name: 'web-2' },
  { id: 'web3', name: 'other' },
] as Compute[]
const failure = (reference: string) => {
  try {
    return pick(computes, reference).id
  } catch (error) {
    return describeFailure(error).exitCode
  }
}

describe('a compute is found', () => {
  it('by id and by name, exact before longer ones', () => {
    expect(pick(computes, 'abd2').name).toBe('web-2')
    expect(pick(computes, 'web').id).toBe('abc1')
  })
  it('by the beginning of either, if only one has it', () => {
    expect(pick(computes, 'oth').id).toBe('web3')
    expect(pick(computes, 'abc').id).toBe('abc1')
  })
  it('and none by an empty name, also if there is only one', () => {
    const one = [{ id: 'abc1', name: 'web' }] as Compute[]
    expect(() => pick(one, '')).toThrow('Its name is empty')
  })
  it('and of two with one name it asks for the id, not for more of the name', () => {
    const twins = [
      { id: 'abc1', name: 'web' },
      { id: 'abd2', name: 'web' },
    ] as Compute[]
    expect(() => pick(twins, 'web')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('give the id') as string }),
    )
  })
  it('or the ambiguity is an error of use, and absence is not found', () => {
    expect(failure('ab')).toBe(EXIT.usage)
    expect(failure('we')).toBe(EXIT.usage)
    expect(failure('zzz')).toBe(EXIT.notFound)
  })
})
