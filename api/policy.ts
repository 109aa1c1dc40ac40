import type { FastifyRequest } from 'fastify'
import { authorize, type GroupAction, type Resource } from '../auth/authorize.ts'
import type { Principal } from '../auth/principal.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { App, AppDeps } from './deps.ts'

/**
 * Who may call a route, declared on the route itself; a route without one does not start.
 * `find` says whose resource it is (and throws NotFound); the one authorize function decides.
 */
export type Policy =
  | { readonly access: 'public' }
  /** Concerns nobody but the caller. */
  | { readonly access: 'signed-in' }
  /** As signed-in, and never by an API key. */
  | { readonly access: 'person' }
  | { readonly access: 'operator' }
  /** Answers rows of the groups in which the caller may do `action`: see `groupsFor`. */
  | { readonly access: 'listing'; readonly action: GroupAction }
  | {
      readonly access: 'resource'
      readonly action: GroupAction
      readonly find: (request: FastifyRequest) => Promise<Resource> | Resource
    }

declare module 'fastify' {
  interface FastifyContextConfig {
    policy?: Policy
  }
  interface FastifyRequest {
    principal: Principal | null
  }
}

export interface RoutePolicy {
  readonly method: string
  readonly url: string
  readonly policy: Policy
}

/** The pages of the API's documentation are made by a library that cannot declare a policy. */
const isDocumentation = (url: string): boolean => /^\/docs(\/|$)/.test(url)

/** Refuses routes without a policy, and holds every request to its own. Returns the route table. */
export const registerPolicies = (
  app: App,
  deps: Pick<AppDeps, 'authenticator'>,
): readonly RoutePolicy[] => {
  const table: RoutePolicy[] = []
  app.decorateRequest('principal', null)

  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat()
    if (methods.every((method) => method === 'OPTIONS')) return
    if (route.config?.policy === undefined) {
      if (!isDocumentation(route.url))
        throw new Error(`route ${methods.join()} ${route.url} declares no policy`)
      route.config = { ...route.config, policy: { access: 'public' } }
    }
    for (const method of methods)
      table.push({ method, url: route.url, policy: route.config.policy as Policy })
  })

  app.addHook('onRequest', async (request) => {
    const policy = request.routeOptions.config.policy
    if (policy === undefined || policy.access === 'public') return
    request.principal = (await deps.authenticator.authenticate(request)) ?? null
  })
  // One step later, so that the rate limit counts also those it knows nothing of.
  app.addHook('preParsing', async (request) => {
    const policy = request.routeOptions.config.policy
    if (policy === undefined || policy.access === 'public' || request.principal !== null) return
    throw new DormouseError('Unauthenticated', 'this needs a valid access token or API key')
  })
  app.addHook('preHandler', async (request) => {
    const policy = request.routeOptions.config.policy
    if (policy === undefined || policy.access === 'public') return
    const principal = caller(request)
    if (policy.access === 'person' && principal.kind === 'key')
      throw new DormouseError('Forbidden', 'an API key may not do this; log in')
    if (policy.access === 'operator') authorize(principal, 'operator', { groupId: '' })
    if (policy.access === 'resource')
      authorize(principal, policy.action, await policy.find(request))
  })
  return table
}

/** Who asks; only in handlers of routes that are not public. */
export const caller = (request: FastifyRequest): Principal => {
  if (request.principal === null) throw new DormouseError('Unauthenticated', 'log in first')
  return request.principal
}

/** Groups whose rows a listing shows: all in which the caller may, or the named one if he may there. */
export const groupsFor = (
  request: FastifyRequest,
  action: GroupAction,
  groupId?: string,
): readonly string[] => {
  const principal = caller(request)
  if (groupId !== undefined) {
    authorize(principal, action, { groupId })
    return [groupId]
  }
  return principal.groups.map((group) => group.groupId).filter((id) => may(principal, action, id))
}

const may = (principal: Principal, action: GroupAction, groupId: string): boolean => {
  try {
    authorize(principal, action, { groupId })
    return true
  } catch {
    return false
  }
}
