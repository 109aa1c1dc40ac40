import { Type } from '@fastify/type-provider-typebox'
import type { App, AppDeps } from './deps.ts'
import { Nullable } from './schema.ts'

/** What a page or a client must know before it can log in. */
export const registerPlatform = (app: App, { config }: AppDeps): void => {
  app.get(
    '/api/platform',
    {
      config: { policy: { access: 'public' } },
      schema: {
        tags: ['operations'],
        response: {
          200: Type.Object({
            gateway_origin: Type.String(),
            port_domain: Type.String(),
            temporal_ui_origin: Nullable(Type.String()),
          }),
        },
      },
    },
    async () => ({
      gateway_origin: config.gatewayOrigin,
      port_domain: config.portDomain,
      temporal_ui_origin: config.temporalUiOrigin ?? null,
    }),
  )
}
