import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { App } from './deps.ts'
import { ProblemSchema } from './schema.ts'

const PROBLEM_REF = '#/components/responses/Problem'

/** OpenAPI from the routes' own schemas, at /openapi.json, and as pages at /docs. */
export const registerOpenApi = async (app: App): Promise<void> => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Dormouse',
        version: '0.1.0',
        description:
          'Computes that sleep. Errors are problem+json with a `code` of docs/errors.md; `retry` says ' +
          'whether the same request may succeed later. Lists are pages `{ items, next_cursor }`.',
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'Access token of /auth/login, or an API key (`dmk_…`)',
          },
          token: { type: 'apiKey', in: 'header', name: 'X-Dormouse-Token' },
        },
      },
      security: [{ bearer: [] }, { token: [] }],
    },
    transformObject: withProblems,
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { deepLinking: true, persistAuthorization: false },
  })
  app.get(
    '/openapi.json',
    { config: { policy: { access: 'public' } }, schema: { hide: true } },
    async () => app.swagger(),
  )
}

/** Only in the document: a route's own schema would have every error written by the serializer of it. */
const withProblems: SwaggerTransformObject = (document) => {
  if (!('openapiObject' in document)) return document.swaggerObject
  const { openapiObject: openapi } = document
  const problem = {
    description: 'Refused or failed',
    content: { 'application/problem+json': { schema: ProblemSchema } },
  }
  for (const path of Object.values(openapi.paths ?? {}))
    for (const operation of Object.values(path ?? {}))
      if (typeof operation === 'object' && 'responses' in operation)
        operation.responses = { ...operation.responses, default: { $ref: PROBLEM_REF } }
  return {
    ...openapi,
    components: { ...openapi.components, responses: { Problem: problem } },
  } as typeof openapi
}
