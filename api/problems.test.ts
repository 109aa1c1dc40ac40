import { Type, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { answerProblem } from './problems.ts'

it('says which values there are where another was given', async () => {
  const app = Fastify()
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  app.setErrorHandler(answerProblem)
  const body = Type.Object({ tier: Type.Enum(['basic', 'standard']) })
  app.post('/', { schema: { body } }, () => ({}))
  const answer = await app.inject({ method: 'POST', url: '/', payload: { tier: 'huge' } })
  expect(answer.json()).toMatchObject({
    ...{ status: 422, code: 'Invalid', field: 'tier' },
    detail: 'tier must be one of basic, standard',
  })
  await app.close()
})
