import fastify from 'fastify'
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyServerOptions } from 'fastify'
import { createUpQuota } from '../records/up-quota.ts'
import { registerPorts } from './computes/ports.ts'
import { registerPower } from './computes/power.ts'
import { registerComputes } from './computes/routes.ts'
import { registerSaves } from './computes/saves.ts'
import { registerConsole } from './console.ts'
import type { App, AppDeps } from './deps.ts'
import { registerDrain } from './drain.ts'
import { registerDoors } from './doors/routes.ts'
import { registerEvents } from './events/routes.ts'
import { registerExport } from './filesystems/export-route.ts'
import { registerFilesystems } from './filesystems/routes.ts'
import { registerTrash } from './filesystems/trash.ts'
import { registerMembers } from './groups/members.ts'
import { registerGroups } from './groups/routes.ts'
import { registerHardening, requestId } from './hardening.ts'
import { registerHealth } from './health.ts'
import { registerImages } from './images/routes.ts'
import { registerRequestLog } from './logging.ts'
import { registerMetrics } from './metrics.ts'
import { registerOpenApi } from './openapi.ts'
import { registerPlatform } from './platform.ts'
import { registerPolicies, type RoutePolicy } from './policy.ts'
import { answerProblem, registerProblems } from './problems.ts'
import { registerApiKeys } from './sessions/api-keys.ts'
import { registerSessions } from './sessions/routes.ts'

/** Env may have 256 KB, and JSON writes some bytes as six. */
const BODY_LIMIT_BYTES = 2 * 1024 * 1024

/** The whole API, not yet listening; and its routes with what each demands. */
export const buildApp = async (
  deps: AppDeps,
  logger: FastifyServerOptions['logger'] = false,
): Promise<{ app: App; routes: readonly RoutePolicy[] }> => {
  const app: App = fastify({
    logger: logger as NonNullable<typeof logger>,
    genReqId: requestId,
    // registerRequestLog writes one line instead of two.
    disableRequestLogging: true,
    // Addresses that do not decode never reach a route.
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
    trustProxy: deps.config.trustedProxies.length === 0 ? false : [...deps.config.trustedProxies],
    bodyLimit: BODY_LIMIT_BYTES,
    exposeHeadRoutes: false,
    // A client that never finishes its headers or body is cut off.
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  app.removeContentTypeParser('text/plain')

  registerRequestLog(app)
  registerDrain(app)
  registerProblems(app)
  await registerHardening(app, deps.config)
  const routes = registerPolicies(app, deps)
  await registerOpenApi(app)
  registerHealth(app, deps)
  registerMetrics(app, deps)
  registerPlatform(app, deps)
  registerSessions(app, deps)
  registerApiKeys(app, deps)
  registerGroups(app, deps)
  registerMembers(app, deps)
  const upQuota = createUpQuota(deps.db, deps.config.computesUpPerUser)
  registerComputes(app, { ...deps, upQuota })
  registerPower(app, { ...deps, upQuota })
  registerSaves(app, deps)
  registerPorts(app, deps)
  registerEvents(app, deps)
  registerFilesystems(app, deps)
  registerExport(app, deps)
  registerTrash(app, deps)
  registerImages(app, deps)
  registerDoors(app, deps)
  await registerConsole(app, deps)
  return { app, routes }
}
