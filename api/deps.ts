import type { FastifyInstance, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { ObjectStore } from '../activities/ports.ts'
import type { SigningKeys } from '../auth/keys.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import type { Sealer } from '../auth/seal.ts'
import type { ApiConfig } from '../config/config.ts'
import type { Db } from '../records/database.ts'
import type { EventBell } from '../records/event-bell.ts'
import type { WallNow } from '../records/walls.ts'
import type { Timings } from '../workflows/compute/contract.ts'
import type { ComputeDoors } from '../temporal/doors.ts'

/** Everything the routes stand on, made once in main.ts. */
export interface AppDeps {
  readonly db: Db
  readonly keys: SigningKeys
  readonly sealer: Sealer
  readonly authenticator: Authenticator
  readonly doors: Pick<ComputeDoors, 'create' | 'command' | 'refresh'>
  readonly store: Pick<ObjectStore, 'get'>
  readonly bell: EventBell
  readonly metrics: Registry
  readonly config: ApiConfig
  readonly timings: Timings
  /** Name of the runtime that new computes run on. */
  readonly runtime: string
  /** Each resolves when that part answers; named in /readyz. */
  readonly checks: Readonly<Record<'database' | 'temporal' | 'store', () => Promise<unknown>>>
  /** What keeps computes apart from what is not theirs; named in /readyz. Rejects when nobody can say. */
  readonly walls: () => Promise<readonly WallNow[]>
  /** True once the process was told to end. */
  readonly draining: () => boolean
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
