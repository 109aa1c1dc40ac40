import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { App } from './deps.ts'

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
