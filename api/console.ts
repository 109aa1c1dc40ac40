import staticFiles from '@fastify/static'
import { sendProblem } from './problems.ts'
import { FAILURES } from '../workflows/errors.ts'
import type { App, AppDeps } from './deps.ts'

const API_PATH = /^\/(api|auth|docs|openapi\.json|healthz|readyz|metrics|compute)(\/|$|\?)/

/** The page: files of DORMOUSE_WEB_DIR, and its index for every address the page routes itself. */
export const registerConsole = async (app: App, { config }: AppDeps): Promise<void> => {
  const { webDir } = config
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, {
      status: 404,
      code: 'NotFound',
      title: FAILURES.NotFound.title,
      detail: `nothing is at ${request.method} ${request.url.split('?', 1)[0]}`,
      retry: false,
    }),
  )
  if (webDir === undefined) return
  await app.register(staticFiles, { root: webDir, serve: false, index: false })

  app.route({
    method: ['GET', 'HEAD'],
    url: '/*',
    config: { policy: { access: 'public' }, rateLimit: false },
    logLevel: 'warn',
    schema: { hide: true },
    handler: async (request, reply) => {
      const path = (request.params as { '*': string })['*']
      if (API_PATH.test(request.url)) return reply.callNotFound()
      // Names of built files hold a hash of their content.
      if (path.startsWith('assets/'))
        return reply.sendFile(path, { maxAge: '365d', immutable: true })
      if (/\.[a-z0-9]{1,8}$/i.test(path)) return reply.sendFile(path)
      return reply.header('cache-control', 'no-cache').sendFile('index.html')
    },
  })
}
