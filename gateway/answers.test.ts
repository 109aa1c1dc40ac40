import { expect, it } from 'vitest'
import { answerOrCut } from './answers.ts'

const broken = (): never => {
  throw new Error('cannot be written')
}

it('a failure that cannot be answered cuts the connection and is logged', () => {
  let cut = 0
  const said: unknown[] = []
  const connection = { destroy: () => (cut += 1) }
  answerOrCut(broken, connection, (message, facts) => said.push({ message, ...facts }))
  expect(cut).toBe(1)
  expect(said).toMatchObject([{ error: expect.stringContaining('cannot be written') }])
  expect(() => answerOrCut(broken, connection, broken)).not.toThrow()
  expect(cut).toBe(2)
})
