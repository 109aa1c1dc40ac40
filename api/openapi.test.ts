import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from './deps.ts'
import { registerOpenApi } from './openapi.ts'

interface Operation {
  readonly responses: Readonly<Record<string, { readonly $ref?: string }>>
}

describe('the OpenAPI document', () => {
  const app: App = fastify().withTypeProvider<TypeBoxTypeProvider>()
  beforeAll(async () => {
    await registerOpenApi(app)
    const response = { 200: Type.Object({ answer: Type.Integer() }) }
    const config = { policy: { access: 'public' } } as const
    app.get('/asked', { config, schema: { response } }, async () => ({ answer: 42 }))
    await app.ready()
  })
  afterAll(() => app.close())

  it('says of every operation what an error looks like, and of its answer as before', () => {
    const document = JSON.parse(JSON.stringify(app.swagger())) as {
      readonly paths: Record<string, Record<string, Operation>>
      readonly components: Record<string, Record<string, unknown>>
    }
    const { responses } = document.paths['/asked']?.['get'] ?? { responses: {} }
    expect(Object.keys(responses)).toEqual(['200', 'default'])
    expect(responses['default']).toEqual({ $ref: '#/components/responses/Problem' })
    expect(document.components['responses']?.['Problem']).toMatchObject({
      content: {
        'application/problem+json': { schema: { required: expect.arrayContaining(['code']) } },
      },
    })
    expect(document.components['securitySchemes']).toHaveProperty('bearer')
  })
})
