import { Type, type Static } from '@fastify/type-provider-typebox'
import { TIERS } from '../../config/tiers.ts'
import { COMPUTE_STATES } from '../../workflows/compute/contract.ts'
import { Closed, Id, Name, Nullable, Timestamp } from '../schema.ts'

const TIER_NAMES = Object.keys(TIERS) as (keyof typeof TIERS)[]
const YEAR_S = 366 * 24 * 3600
const Seconds = (description: string) => Type.Integer({ minimum: 0, maximum: YEAR_S, description })

export const ScheduleSchema = Closed(
  {
    timezone: Type.String({ maxLength: 64, description: 'IANA zone, e.g. Europe/Zurich' }),
    hibernate: Type.Array(Type.String({ maxLength: 120 }), { maxItems: 20 }),
    wake: Type.Array(Type.String({ maxLength: 120 }), { maxItems: 20 }),
  },
  { description: 'Cron lines of five fields; the latest one that has passed decides' },
)

export const CreateCompute = Closed({
  name: Type.Optional(Name),
  group_id: Type.Optional(Id('Default: your personal group, or the group of the API key')),
  image_name: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'Name or id; default `host` on the local runtime, `base` on kubernetes',
    }),
  ),
  filesystem_id: Type.Optional(Id('Default: a new filesystem that goes with the compute')),
  from_filesystem: Type.Optional(
    Id('Starts with a copy of the files of this filesystem, as they were last saved'),
  ),
  from_snapshot: Type.Optional(Id('Starts with a copy of the files of this snapshot')),
  idle_timeout: Type.Optional(Seconds('Seconds without activity until it hibernates; 0: never')),
  max_lifetime: Type.Optional(Seconds('Longest time up, in seconds; 0: no end')),
  schedule: Type.Optional(ScheduleSchema),
  env: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
      maxProperties: 100,
      additionalProperties: false,
      description: 'At most 100 variables, 256 KB together; sealed at rest, never shown again',
    }),
  ),
  tier: Type.Optional(Type.Enum(TIER_NAMES)),
  network: Type.Optional(
    Type.Enum(['shared', 'none'], {
      description: 'Default shared: the way out; on the local runtime the network of its machine',
    }),
  ),
})
export type CreateComputeBody = Static<typeof CreateCompute>

const Problem = Type.Object({
  code: Type.String(),
  message: Type.String(),
  retryable: Type.Boolean(),
  at: Timestamp,
})

const WhySchema = Type.Object({
  upBecause: Type.Optional(Type.String({ description: 'Why it is up, in words' })),
  stoppedBecause: Type.Optional(Type.String({ description: 'Why it is not, in words' })),
  reason: Type.String(),
  actor: Type.String(),
  since: Timestamp,
  nextTimer: Type.Optional(
    Type.Object({
      kind: Type.Enum(['idle', 'lifetime', 'schedule']),
      at: Type.Optional(Timestamp),
      afterIdleSeconds: Type.Optional(Type.Integer()),
    }),
  ),
  outOfMemoryAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description:
        'When a process of this generation was last ended because its memory was used up',
    }),
  ),
})

export const ComputeSchema = Type.Object({
  id: Id(),
  name: Type.String(),
  group_id: Type.String(),
  owner_id: Type.String(),
  image_id: Type.String(),
  image_name: Type.String(),
  filesystem_id: Type.String(),
  runtime: Type.String(),
  tier: Type.String(),
  network: Type.Enum(['shared', 'none']),
  state: Type.Enum(COMPUTE_STATES),
  generation: Type.Integer(),
  reason: Type.String(),
  actor: Type.String(),
  since: Timestamp,
  problem: Nullable(Problem),
  idle_timeout: Type.Integer({ description: 'Seconds; 0: never' }),
  max_lifetime: Type.Integer({ description: 'Seconds; 0: no end' }),
  lifetime_ends_at: Nullable(Timestamp),
  schedule: Nullable(ScheduleSchema),
  limits: Nullable(Type.String({ description: '`enforced` by the kernel or `watched`' })),
  delete_requested: Type.Boolean(),
  url: Type.String({ description: 'Its doors at the gateway: <url>/terminal, /files, /exec, …' }),
  port_url: Type.String({ description: 'Origin of a port; put the number for {port}' }),
  created_at: Timestamp,
  terminated_at: Nullable(Timestamp),
  why: WhySchema,
})
export type ComputeJson = Static<typeof ComputeSchema>

/** Answer of everything that may take a while. */
export const SettlingCompute = Type.Intersect([
  ComputeSchema,
  Type.Object({
    settled: Type.Boolean({ description: 'false: accepted, under way; follow its events' }),
  }),
])

export const Wait = Type.Optional(
  Type.Integer({ minimum: 0, maximum: 60, description: 'Seconds to wait for it to settle' }),
)

export const ExtendCompute = Closed({
  lifetime: Type.Optional(Seconds('New end, in seconds from now; 0: no end')),
  idle_timeout: Type.Optional(Seconds('New idle timeout in seconds; 0: never')),
})

export const PortDoorSchema = Type.Object({
  port: Type.Integer(),
  visibility: Type.Enum(['private', 'group', 'public']),
  url: Type.String(),
})
