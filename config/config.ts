/** Reads the environment once. A missing or malformed value is an error that names the variable. */
import { DEFAULT_TIMINGS, type Timings } from '../workflows/compute/contract.ts'
import { temporalAccess } from './temporal.ts'
import { count, list, milliseconds, oneOf, port, required, type Env } from './variables.ts'

export const databaseUrl = (env: Env): string => required(env, 'DATABASE_URL')

/** Off where a job migrates before the services start, so that an older API starts again on a newer schema. */
export const migratesAtStart = (env: Env): boolean => env['DORMOUSE_MIGRATE_AT_START'] !== 'no'

export const temporalConfig = (env: Env) => ({
  address: env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233',
  namespace: env['TEMPORAL_NAMESPACE'] ?? 'default',
  access: temporalAccess(env),
})

export const storeConfig = (env: Env): StoreConfig => ({
  endpoint: required(env, 'S3_ENDPOINT'),
  region: env['S3_REGION'] ?? 'us-east-1',
  bucket: required(env, 'S3_BUCKET'),
  ...(oneOf(env, 'S3_CREDENTIALS', ['keys', 'identity']) === 'identity' ? {} : storeKeys(env)),
})
export interface StoreConfig {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Without them: the identity that its surroundings give to the process. */
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
}

const storeKeys = (env: Env) => ({
  accessKeyId: required(env, 'S3_ACCESS_KEY_ID'),
  secretAccessKey: required(env, 'S3_SECRET_ACCESS_KEY'),
})

/** PKCS#8 Ed25519 key (base64 DER) that signs access tokens and tickets. */
export const signingKey = (env: Env): string => required(env, 'DORMOUSE_SIGNING_KEY')

/** Beside it the 32-byte key (base64) that seals env values, for those who open them. */
export const keyConfig = (env: Env) => ({
  signingKey: signingKey(env),
  sealKey: required(env, 'DORMOUSE_SEAL_KEY'),
})

/** Computes of one user, in all groups, that are neither asleep nor terminated. */
export const computesUpPerUser = (env: Env): number =>
  count(env, 'DORMOUSE_COMPUTES_UP_PER_USER', 50)

export const apiConfig = (env: Env) => ({
  host: env['DORMOUSE_API_HOST'] ?? '127.0.0.1',
  port: port(env, 'DORMOUSE_API_PORT', 8080),
  /** What browsers call it; also the Origin and Host allow-list. */
  origin: required(env, 'DORMOUSE_API_ORIGIN'),
  gatewayOrigin: required(env, 'DORMOUSE_GATEWAY_ORIGIN'),
  temporalUiOrigin: env['TEMPORAL_UI_ORIGIN'],
  portDomain: env['DORMOUSE_PORT_DOMAIN'] ?? 'localhost',
  /** Further names it answers to, e.g. its address inside the cluster (`dormouse-api:8080`). */
  extraHosts: list(env, 'DORMOUSE_API_HOSTS'),
  /** Origins of other pages that may call it from a browser. */
  corsOrigins: list(env, 'DORMOUSE_CORS_ORIGINS'),
  /** Proxies in front of it, as addresses or networks, whose X-Forwarded-For is believed. */
  trustedProxies: list(env, 'DORMOUSE_TRUSTED_PROXIES'),
  /** Beginnings of registry references (`ghcr.io/team/`) that members of a group may make images of; `*`: any. */
  imageSources: list(env, 'DORMOUSE_IMAGE_SOURCES'),
  rateLimitPerMinute: count(env, 'DORMOUSE_RATE_LIMIT_PER_MINUTE', 1200),
  /** Logins of one address and email in a minute. */
  loginLimitPerMinute: count(env, 'DORMOUSE_LOGIN_LIMIT_PER_MINUTE', 20),
  /** Logins of one address, whichever email they name. */
  loginsPerAddress: count(env, 'DORMOUSE_LOGIN_LIMIT_PER_ADDRESS', 60),
  /** Live event streams of one user, in each process. */
  eventStreamsPerUser: count(env, 'DORMOUSE_EVENT_STREAMS_PER_USER', 20),
  apiKeysPerUser: count(env, 'DORMOUSE_API_KEYS_PER_USER', 50),
  /** Groups that one user owns. */
  groupsPerUser: count(env, 'DORMOUSE_GROUPS_PER_USER', 20),
  computesUpPerUser: computesUpPerUser(env),
  /** Computes of one group that are not terminated. */
  computesPerGroup: count(env, 'DORMOUSE_COMPUTES_PER_GROUP', 200),
  /** Built page; nothing is served without it. */
  webDir: env['DORMOUSE_WEB_DIR'],
  /** Bearer token of whoever scrapes /metrics; without it only this machine may. */
  metricsToken: env['DORMOUSE_METRICS_TOKEN'] || undefined,
})
export type ApiConfig = ReturnType<typeof apiConfig>

/** The operator made at the first start, when there are no users. */
export const firstUser = (env: Env): { email: string; password: string } | undefined => {
  const email = env['DORMOUSE_FIRST_EMAIL']
  const password = env['DORMOUSE_FIRST_PASSWORD']
  if (email === undefined || password === undefined) return undefined
  return { email, password }
}

export const gatewayConfig = (env: Env) => ({
  host: env['DORMOUSE_GATEWAY_HOST'] ?? '127.0.0.1',
  port: port(env, 'DORMOUSE_GATEWAY_PORT', 8081),
  origin: required(env, 'DORMOUSE_GATEWAY_ORIGIN'),
  /** Ports live at `{port}-{id}.<domain>`, computes at `{id}.<domain>`; another registrable domain than the API's. */
  portDomain: env['DORMOUSE_PORT_DOMAIN'] ?? 'localhost',
  apiUrl: env['DORMOUSE_API_URL'] ?? required(env, 'DORMOUSE_API_ORIGIN'),
  apiOrigin: required(env, 'DORMOUSE_API_ORIGIN'),
  /** As keyConfig's; the gateway needs no key that opens sealed values. */
  signingKey: required(env, 'DORMOUSE_SIGNING_KEY'),
  /** Further names it answers to, e.g. its address inside the cluster (`dormouse-gateway:8081`). */
  extraHosts: list(env, 'DORMOUSE_GATEWAY_HOSTS'),
  /** Origins of other pages that may call it and open sockets from a browser. */
  corsOrigins: list(env, 'DORMOUSE_CORS_ORIGINS'),
  metricsToken: env['DORMOUSE_METRICS_TOKEN'] || undefined,
  /** Open sockets of one user. */
  socketsPerUser: count(env, 'DORMOUSE_GATEWAY_SOCKETS_PER_USER', 256),
  /** Requests and sockets under way at one compute, and how many of them may be anybody's. */
  perCompute: count(env, 'DORMOUSE_GATEWAY_PER_COMPUTE', 500),
  anybodyPerCompute: count(env, 'DORMOUSE_GATEWAY_ANYBODY_PER_COMPUTE', 200),
  /** How long a request waits for its compute to wake. */
  wakeWaitMs: milliseconds(env, 'DORMOUSE_GATEWAY_WAKE_WAIT_MS', 60_000),
  /** How long requests under way may go on after SIGTERM. */
  drainMs: milliseconds(env, 'DORMOUSE_GATEWAY_DRAIN_MS', 10_000),
})
export type GatewayConfig = ReturnType<typeof gatewayConfig>

/** Where new computes run. */
export const runtimeName = (env: Env): string => env['DORMOUSE_RUNTIME'] ?? 'local'

/**
 * One machine has one worker and no Lease to hand over: a process of its own would only be another
 * 70 MiB. In a cluster the observer has an account, a budget and replicas of its own.
 */
export const observesInWorker = (env: Env): boolean =>
  oneOf(env, 'DORMOUSE_OBSERVER', ['worker', 'own-process']) === 'worker'

export const observerOptions = (env: Env) => ({
  /** Between two looks at the walls around computes. */
  wallsEveryMs: milliseconds(env, 'DORMOUSE_WALLS_EVERY_MS', 15_000),
})

/** Of the local runtime. */
export const localRuntimeConfig = (env: Env) => ({
  stateDir: required(env, 'DORMOUSE_STATE_DIR'),
  /** Runs computes as plain processes: no isolation at all. */
  unsafeNoIsolation: env['DORMOUSE_UNSAFE_NO_ISOLATION'] === 'yes-run-computes-without-a-sandbox',
  /** Node (with zstd) that runs the sidekick, and the sidekick's bundle. */
  sidekickNode: env['DORMOUSE_SIDEKICK_NODE'],
  sidekickDir: required(env, 'DORMOUSE_SIDEKICK_DIR'),
  /** Delegated cgroup v2 folder under which limits are enforced; without it they are watched. */
  cgroup: env['DORMOUSE_CGROUP'],
})

export const timings = (env: Env): Timings => ({
  idleTimeoutMs: milliseconds(env, 'DORMOUSE_IDLE_TIMEOUT_MS', DEFAULT_TIMINGS.idleTimeoutMs),
  maxLifetimeMs: milliseconds(env, 'DORMOUSE_MAX_LIFETIME_MS', DEFAULT_TIMINGS.maxLifetimeMs),
  checkpointEveryMs: milliseconds(
    env,
    'DORMOUSE_CHECKPOINT_EVERY_MS',
    DEFAULT_TIMINGS.checkpointEveryMs,
  ),
  provisionRetryForMs: milliseconds(
    env,
    'DORMOUSE_PROVISION_RETRY_FOR_MS',
    DEFAULT_TIMINGS.provisionRetryForMs,
  ),
  announceMs: DEFAULT_TIMINGS.announceMs,
  deleteSaveForMs: milliseconds(
    env,
    'DORMOUSE_DELETE_SAVE_FOR_MS',
    DEFAULT_TIMINGS.deleteSaveForMs,
  ),
  backOffMs: milliseconds(env, 'DORMOUSE_BACK_OFF_MS', DEFAULT_TIMINGS.backOffMs),
})

/** What both workers read; the sweeper touches nothing younger than `graceMs`. */
export const workerConfig = (env: Env) => ({
  /** Prebuilt by `npm run build`; without it the workflows are bundled from source. */
  workflowBundle: env['DORMOUSE_WORKFLOW_BUNDLE'],
  /** After SIGTERM activities may end by themselves for this long, then they are cancelled. */
  drainMs: milliseconds(env, 'DORMOUSE_WORKER_DRAIN_MS', 20_000),
  /** `host:port` that answers Prometheus with the SDK's metrics. */
  metricsAddress: env['DORMOUSE_WORKER_METRICS_ADDRESS'],
  /** `host:port` that answers GET /healthz with 200 while the worker takes tasks. */
  healthAddress: env['DORMOUSE_WORKER_HEALTH_ADDRESS'],
  sweep: {
    everyMs: milliseconds(env, 'DORMOUSE_SWEEP_EVERY_MS', 60_000),
    graceMs: milliseconds(env, 'DORMOUSE_SWEEP_GRACE_MS', 10 * 60_000),
  },
})
export type WorkerConfig = ReturnType<typeof workerConfig>
