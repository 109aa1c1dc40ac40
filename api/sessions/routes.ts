import { Type } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import {
  ACCESS_TOKEN_LIFETIME_S,
  mintAccessToken,
  verifyAccessToken,
} from '../../auth/access-token.ts'
import { bearerToken } from '../../auth/authenticate.ts'
import { verifyPassword } from '../../auth/passwords.ts'
import { findUserPrincipal } from '../../auth/principals.ts'
import {
  revokeSession,
  rotateRefreshToken,
  sessionOfRefreshToken,
  startSession,
  type RefreshGrant,
} from '../../auth/refresh.ts'
import { createUser, normalizeEmail } from '../../auth/users.ts'
import { appendEvent } from '../../records/events.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { clearSessionCookies, refreshCookie, setSessionCookies } from './cookies.ts'
import { loginsOfAddress } from './login-limit.ts'
import { LoginBody, RefreshBody, SessionSchema, UserBody, UserSchema } from './schema.ts'
import { userJson } from './users.ts'

export const registerSessions = (app: App, deps: AppDeps): void => {
  const { db, keys, config } = deps
  const tags = ['sessions']
  const refuseCrowd = loginsOfAddress(app, config.loginsPerAddress)

  app.post(
    '/auth/login',
    {
      config: {
        policy: { access: 'public' },
        // Counted once the body is read, by who is guessed at and from where.
        rateLimit: {
          max: config.loginLimitPerMinute,
          hook: 'preHandler',
          keyGenerator: (request: FastifyRequest) =>
            `${request.ip} ${normalizeEmail((request.body as { email: string }).email)}`,
        },
      },
      // Before the body is read, and before any hashing.
      onRequest: refuseCrowd,
      schema: { tags, body: LoginBody, response: { 200: SessionSchema } },
    },
    async (request, reply) => {
      const user = await db
        .selectFrom('users')
        .select(['id', 'password_hash', 'disabled_at'])
        .where('email', '=', normalizeEmail(request.body.email))
        .executeTakeFirst()
      const matches = await verifyPassword(user?.password_hash, request.body.password)
      if (user === undefined || !matches || user.disabled_at !== null)
        throw new DormouseError('Unauthenticated', 'email or password is wrong')
      const grant = await startSession(db, user.id)
      return grantSession(grant, request.body.cookie === true, reply)
    },
  )

  app.post(
    '/auth/refresh',
    {
      config: { policy: { access: 'public' } },
      schema: { tags, body: RefreshBody, response: { 200: SessionSchema } },
    },
    async (request, reply) => {
      const given = request.body?.refreshToken
      const token = given ?? refreshCookie(request, config.origin)
      const client = `${request.ip} ${request.headers['user-agent'] ?? ''}`
      const grant =
        token === undefined ? undefined : await rotateRefreshToken(db, keys, token, client)
      if (grant === undefined) {
        if (given === undefined) clearSessionCookies(reply, config.origin)
        throw new DormouseError('Unauthenticated', 'this session has ended; log in again')
      }
      return grantSession(grant, given === undefined, reply)
    },
  )

  app.post(
    '/auth/logout',
    {
      config: { policy: { access: 'public' } },
      schema: { tags, body: RefreshBody, response: { 204: Type.Null() } },
    },
    async (request, reply) => {
      const refresh = request.body?.refreshToken ?? refreshCookie(request, config.origin)
      const access = bearerToken(request.headers.authorization)
      const sessions = [
        refresh === undefined ? undefined : await sessionOfRefreshToken(db, refresh),
        access === undefined ? undefined : (await verifyAccessToken(keys, access))?.sessionId,
      ]
      for (const session of sessions) if (session !== undefined) await revokeSession(db, session)
      clearSessionCookies(reply, config.origin)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/auth/me',
    {
      config: { policy: { access: 'signed-in' } },
      schema: { tags, response: { 200: UserSchema } },
    },
    (request) => userJson(db, caller(request)),
  )

  app.post(
    '/api/users',
    {
      config: { policy: { access: 'operator' } },
      schema: {
        tags,
        body: UserBody,
        response: { 201: Type.Object({ id: Type.String(), personal_group_id: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { userId, personalGroupId } = await createUser(db, request.body)
      await appendEvent(db, {
        groupId: personalGroupId,
        type: 'user.created',
        actor: caller(request).actor,
        data: { userId },
      })
      return reply.code(201).send({ id: userId, personal_group_id: personalGroupId })
    },
  )

  const grantSession = async (
    grant: RefreshGrant,
    asCookie: boolean,
    reply: Parameters<typeof setSessionCookies>[0],
  ) => {
    const principal = await findUserPrincipal(db, grant)
    if (principal === undefined)
      throw new DormouseError('Unauthenticated', 'this session has ended; log in again')
    const accessToken = await mintAccessToken(keys, grant)
    if (asCookie)
      setSessionCookies(reply, config.origin, { accessToken, refreshToken: grant.token })
    return {
      accessToken,
      ...(asCookie ? {} : { refreshToken: grant.token }),
      expiresIn: ACCESS_TOKEN_LIFETIME_S,
      user: await userJson(db, principal),
    }
  }
}
