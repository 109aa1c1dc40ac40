import { parseCookie, stringifySetCookie } from 'cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ACCESS_TOKEN_LIFETIME_S } from '../../auth/access-token.ts'
import { sessionCookieName } from '../../auth/authenticate.ts'
import { REFRESH_TOKEN_LIFETIME_MS } from '../../auth/refresh.ts'

const REFRESH_PATH = '/auth'
const refreshCookieName = (origin: string): string =>
  // `__Secure-`, not `__Host-`: it goes to /auth only, and `__Host-` wants the path `/`.
  origin.startsWith('https:') ? '__Secure-dormouse_refresh' : 'dormouse_refresh'

/** Host-only, unreadable to scripts, never sent from other sites. */
export const setSessionCookies = (
  reply: FastifyReply,
  origin: string,
  tokens: { readonly accessToken: string; readonly refreshToken: string },
): void => {
  setCookie(reply, origin, {
    name: sessionCookieName(origin),
    value: tokens.accessToken,
    path: '/',
    maxAge: ACCESS_TOKEN_LIFETIME_S,
  })
  setCookie(reply, origin, {
    name: refreshCookieName(origin),
    value: tokens.refreshToken,
    path: REFRESH_PATH,
    maxAge: REFRESH_TOKEN_LIFETIME_MS / 1000,
  })
}

export const clearSessionCookies = (reply: FastifyReply, origin: string): void => {
  setCookie(reply, origin, { name: sessionCookieName(origin), value: '', path: '/', maxAge: 0 })
  setCookie(reply, origin, {
    name: refreshCookieName(origin),
    value: '',
    path: REFRESH_PATH,
    maxAge: 0,
  })
}

export const refreshCookie = (request: FastifyRequest, origin: string): string | undefined =>
  request.headers.cookie === undefined
    ? undefined
    : parseCookie(request.headers.cookie)[refreshCookieName(origin)]

const setCookie = (
  reply: FastifyReply,
  origin: string,
  cookie: { name: string; value: string; path: string; maxAge: number },
): void => {
  reply.header(
    'set-cookie',
    stringifySetCookie({
      ...cookie,
      httpOnly: true,
      sameSite: 'strict',
      secure: origin.startsWith('https:'),
    }),
  )
}
