import { expect, it } from 'vitest'
import { Problem } from '../sdk/problem.ts'
import { describeFailure } from './exit-codes.ts'

const refused = (field: string, message: string) =>
  describeFailure(new Problem({ status: 422, code: 'Invalid', field, message })).message

it('names the mistaken field once', () => {
  expect(refused('tier', 'tier must be one of basic, standard')).toBe(
    'tier must be one of basic, standard',
  )
  expect(refused('env.PATH', 'may not be set')).toBe('env.PATH: may not be set')
})
