/** What the API answers, as far as our clients read it. Times are ISO 8601, sizes are bytes. */
export type ComputeState =
  | 'requested'
  | 'provisioning'
  | 'restoring'
  | 'running'
  | 'hibernating'
  | 'hibernated'
  | 'waking'
  | 'terminating'
  | 'terminated'
  | 'failed'

/** States a compute rests in; the others pass. */
export const RESTING: readonly ComputeState[] = ['running', 'hibernated', 'failed', 'terminated']

export interface ComputeProblem {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly at: string
}

export interface Compute {
  readonly id: string
  readonly name: string
  readonly group_id: string
  readonly owner_id: string
  readonly image_id: string
  readonly image_name: string
  readonly filesystem_id: string
  readonly runtime: string
  readonly tier: string
  readonly state: ComputeState
  readonly reason: string
  readonly actor: string
  readonly since: string
  readonly generation: number
  /** Seconds; 0 is off. */
  readonly idle_timeout: number
  /** Seconds; 0 is off. */
  readonly max_lifetime: number
  readonly lifetime_ends_at: string | null
  readonly schedule: Schedule | null
  readonly problem: ComputeProblem | null
  readonly created_at: string
  /** `enforced` by the kernel, or `watched`. */
  readonly limits: string | null
  /** Its doors at the gateway: `<url>/terminal`, … */
  readonly url: string
  /** Origin of a port: put the number for `{port}`. */
  readonly port_url: string
  readonly why: Why
  /** Only in answers that could wait; false: accepted and under way. */
  readonly settled?: boolean
}

/** Cron lines of five fields, minute first; the latest one that has passed decides. */
export interface Schedule {
  /** IANA zone, e.g. Europe/Zurich */
  readonly timezone: string
  readonly hibernate: readonly string[]
  readonly wake: readonly string[]
}

/** Who may open a port: members of its group who may use the compute, all of them, anybody. */
export type Visibility = 'private' | 'group' | 'public'

export interface PortDoor {
  readonly port: number
  readonly visibility: Visibility
  readonly url: string
}

/** Why it is up, or why it is not, and what would end that. */
export interface Why {
  readonly upBecause?: string
  readonly stoppedBecause?: string
  readonly reason: string
  readonly actor: string
  readonly since: string
  readonly nextTimer?: {
    readonly kind: 'idle' | 'lifetime' | 'schedule'
    readonly at?: string
    readonly afterIdleSeconds?: number
  }
  /** When a process of this generation was last ended because its memory was used up. */
  readonly outOfMemoryAt?: string
}

export interface NewCompute {
  readonly name?: string | undefined
  readonly group_id?: string | undefined
  readonly image_name?: string | undefined
  readonly filesystem_id?: string | undefined
  /** A copy of its files as last saved; made with the compute, and gone with it. */
  readonly from_filesystem?: string | undefined
  readonly from_snapshot?: string | undefined
  readonly idle_timeout?: number | undefined
  readonly max_lifetime?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly tier?: string | undefined
  readonly network?: 'shared' | 'none' | undefined
}

export interface Filesystem {
  readonly id: string
  readonly name: string | null
  readonly group_id: string
  readonly head_snapshot_id: string | null
  /** The compute that writes to it. */
  readonly lease_compute_id: string | null
  readonly forked_from: string | null
  readonly created_at: string
  readonly trashed_at: string | null
}

export interface Snapshot {
  readonly id: string
  readonly parent_id: string | null
  readonly reason: string
  readonly generation: number
  readonly entries: number
  /** Of the whole tree. */
  readonly size_bytes: number
  /** Of its parts in the store, compressed. */
  readonly stored_bytes: number
  readonly parts: number
  readonly created_at: string
}

export interface Image {
  readonly id: string
  readonly name: string
  /** null: of the platform. */
  readonly group_id: string | null
  readonly state: 'pending' | 'ready' | 'failed' | 'deleted'
  /** What it was made of: a runtime's own image, or a reference of a registry. */
  readonly base: string
  readonly digest: string | null
  /** What was found installed; of one image, not in the listing. */
  readonly packages?: readonly Package[]
  readonly size_bytes: number
  readonly problem: { readonly code: string; readonly message: string } | null
  readonly created_at: string
  readonly settled?: boolean
}

export interface Package {
  readonly manager: string
  readonly name: string
  readonly version: string
}

export interface NewImage {
  readonly name: string
  /** With the registry: docker.io/library/debian:12 */
  readonly reference: string
  readonly group_id?: string | undefined
}

export interface LifeEvent {
  readonly cursor: string
  readonly groupId: string
  readonly computeId: string | null
  readonly generation: number | null
  readonly type: string
  readonly state: string | null
  readonly reason: string | null
  readonly actor: string
  readonly data: Readonly<Record<string, unknown>>
  readonly at: string
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly next_cursor: string | null
}

export interface User {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly operator: boolean
  readonly personalGroupId: string
  readonly groups: readonly { readonly id: string; readonly name: string; readonly role: string }[]
}

export type Role = 'owner' | 'member' | 'viewer'

export interface Group {
  readonly id: string
  readonly name: string
  /** Of the caller. */
  readonly role: Role
  /** Made with its person, who stays its owner. */
  readonly personal: boolean
}

export interface Member {
  readonly user_id: string
  readonly email: string
  readonly name: string
  readonly role: Role
}

export interface ApiKey {
  readonly id: string
  readonly name: string
  /** The one group it sees. */
  readonly groupId: string
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
}

export interface NewApiKey {
  readonly name: string
  /** Default: the caller's own. */
  readonly groupId?: string | undefined
  /** Seconds; default: it does not end. */
  readonly expiresIn?: number | undefined
}

export interface NewUser {
  readonly email: string
  readonly password: string
  readonly name?: string | undefined
  readonly operator?: boolean | undefined
}

export interface Session {
  readonly accessToken: string
  /** Absent when it is a cookie. */
  readonly refreshToken?: string
  /** Seconds. */
  readonly expiresIn: number
  readonly user: User
}

export interface Platform {
  readonly gateway_origin: string
  readonly port_domain: string
  readonly temporal_ui_origin: string | null
}
