import type { SigningKeys } from '../auth/keys.ts'
import type { GatewayConfig } from '../config/config.ts'
import type { Identities } from './admission.ts'
import type { Concurrency } from './concurrency.ts'
import type { Directory } from './directory-cache.ts'
import type { HostRule } from './hosts.ts'
import type { Metrics } from './metrics.ts'
import type { Passages } from './passages.ts'
import type { SidekickPools } from './sidekick-dial.ts'
import type { SidekickTickets } from './sidekick-tickets.ts'
import type { Waker } from './waker.ts'

/** What a gateway is made of; compose.ts makes it over a database. */
export interface GatewayParts {
  readonly config: GatewayConfig
  readonly keys: SigningKeys
  readonly hosts: HostRule
  /** Origins whose pages may call the gateway and open sockets: the workspace page's. */
  readonly allowedOrigins: readonly string[]
  readonly identities: Identities
  readonly directory: Directory
  readonly waker: Waker
  readonly pools: SidekickPools
  readonly tickets: SidekickTickets
  readonly concurrency: Concurrency
  readonly passages: Passages
  readonly metrics: Metrics
  /** Whether the database answers. */
  readonly ready: () => Promise<boolean>
  readonly log: (message: string, facts: Readonly<Record<string, unknown>>) => void
}
