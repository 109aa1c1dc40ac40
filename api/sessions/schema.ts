import { Type } from '@fastify/type-provider-typebox'
import { Closed, Id, Name, Nullable, Timestamp } from '../schema.ts'

// A length cap before any hashing; what a good password is, auth/passwords.ts says.
const Password = Type.String({ minLength: 1, maxLength: 1024 })
const Email = Type.String({ minLength: 3, maxLength: 254 })

export const LoginBody = Closed({
  email: Email,
  password: Password,
  cookie: Type.Optional(
    Type.Boolean({
      description:
        'For pages: sets the session as HttpOnly cookies and leaves the refresh token out',
    }),
  ),
})

export const UserSchema = Type.Object({
  id: Id(),
  email: Type.String(),
  name: Type.String(),
  operator: Type.Boolean(),
  personalGroupId: Type.String(),
  groups: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), role: Type.String() })),
})

export const SessionSchema = Type.Object({
  accessToken: Type.String({ description: 'Bearer token, valid for `expiresIn` seconds' }),
  refreshToken: Type.Optional(
    Type.String({ description: 'For POST /auth/refresh, once; absent when it is a cookie' }),
  ),
  expiresIn: Type.Integer(),
  user: UserSchema,
})

export const RefreshBody = Nullable(
  Closed({ refreshToken: Type.Optional(Type.String({ maxLength: 200 })) }),
)

export const ApiKeyBody = Closed({
  name: Name,
  groupId: Type.Optional(Id('The one group the key sees; default: your personal group')),
  expiresIn: Type.Optional(
    Type.Integer({ minimum: 60, maximum: 10 * 366 * 86_400, description: 'Seconds' }),
  ),
})

export const ApiKeySchema = Type.Object({
  id: Id(),
  name: Type.String(),
  groupId: Type.String(),
  createdAt: Timestamp,
  expiresAt: Nullable(Timestamp),
  lastUsedAt: Nullable(Timestamp),
})

export const NewApiKeySchema = Type.Intersect([
  ApiKeySchema,
  Type.Object({ key: Type.String({ description: 'Shown this once' }) }),
])

export const UserBody = Closed({
  email: Email,
  password: Password,
  name: Type.Optional(Name),
  operator: Type.Optional(Type.Boolean()),
})
