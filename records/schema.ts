/** The tables as kysely sees them; migrations/ is the truth. */
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type {
  ComputeProblem,
  ComputeState,
  PowerSchedule,
  Reason,
} from '../workflows/compute/contract.ts'
import type { SidekickAddress } from '../activities/ports.ts'
import type { Manifest } from './manifest.ts'

type CreatedAt = ColumnType<Date, Date | undefined, never>
type Json<T extends object | null> = ColumnType<T, string | null, string | null>

export interface GroupsTable {
  id: string
  name: string
  personal_of: string | null
  created_at: CreatedAt
}
export interface UsersTable {
  id: string
  email: string
  name: string
  password_hash: string
  is_operator: Generated<boolean>
  created_at: CreatedAt
  disabled_at: Date | null
}
export type Role = 'owner' | 'member' | 'viewer'
export interface MembershipsTable {
  group_id: string
  user_id: string
  role: Role
}
export interface ApiKeysTable {
  id: string
  user_id: string
  group_id: string
  name: string
  secret_sha256: Buffer
  created_at: CreatedAt
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
}
export interface RefreshTokensTable {
  id: string
  family_id: string
  user_id: string
  token_sha256: Buffer
  successor_id: string | null
  created_at: CreatedAt
  expires_at: Date
  used_at: Date | null
  revoked_at: Date | null
}
export interface DoorTicketsTable {
  token_sha256: Buffer
  group_id: string
  principal: JSONColumnType<Record<string, unknown>>
  compute_id: string
  purpose: string
  expires_at: Date
  used_at: Date | null
}
export type ImageState = 'pending' | 'ready' | 'failed' | 'deleted'
export interface ImagesTable {
  id: string
  group_id: string | null
  owner_id: string | null
  name: string
  state: ImageState
  base: string
  digest: string | null
  packages: Generated<unknown>
  size_bytes: Generated<string>
  problem: Json<ComputeProblem | null>
  created_by_compute: string | null
  created_at: CreatedAt
}
export interface FilesystemsTable {
  id: string
  group_id: string
  owner_id: string
  name: string | null
  implicit: boolean
  image_digest: string
  head_snapshot_id: string | null
  epoch: Generated<number>
  lease_compute_id: string | null
  lease_generation: number | null
  retain_snapshots: Generated<number>
  created_at: CreatedAt
  trashed_at: Date | null
  forked_from: string | null
  purged_at: Date | null
}
export interface SnapshotsTable {
  id: string
  filesystem_id: string
  group_id: string
  parent_id: string | null
  epoch: number
  generation: number
  reason: string
  image_digest: string
  manifest: JSONColumnType<Manifest>
  entries: number
  size_bytes: ColumnType<string, number, number>
  created_at: CreatedAt
}
export interface PartsTable {
  key: string
  group_id: string
  sha256: string | null
  size_bytes: ColumnType<string | null, number | null, number | null>
  save_id: string
  state: 'intended' | 'stored' | 'deleting'
  created_at: CreatedAt
}
export interface PartReferencesTable {
  part_key: string
  owner_kind: 'snapshot' | 'image'
  owner_id: string
  ordinal: number
}
export interface ComputesTable {
  id: string
  group_id: string
  owner_id: string
  name: string
  image_id: string
  filesystem_id: string
  runtime: string
  tier: string
  network: 'shared' | 'none'
  state: ComputeState
  reason: Reason
  actor: string
  problem: Json<ComputeProblem | null>
  state_since: ColumnType<Date, Date | undefined, Date>
  generation: Generated<number>
  idle_timeout_ms: ColumnType<string, number, number>
  max_lifetime_ms: ColumnType<string, number, number>
  lifetime_ends_at: Date | null
  schedule: Json<PowerSchedule | null>
  env_sealed: Buffer | null
  delete_requested: Json<{ purge: boolean } | null>
  created_at: CreatedAt
  terminated_at: Date | null
  wake_asked_at: Date | null
}
export interface SandboxesTable {
  compute_id: string
  generation: number
  group_id: string
  epoch: number
  address: Json<SidekickAddress | null>
  fingerprint: string | null
  claim_id: string
  boot_id: string | null
  limits: string | null
  base_save_id: string | null
  opened_at: Date | null
  last_saved_at: Date | null
  memory_ends: Generated<number>
  memory_ended_at: Date | null
  ended_at: Date | null
  created_at: CreatedAt
}
export interface IdempotencyKeysTable {
  group_id: string
  principal: string
  key: string
  request_sha256: Buffer
  compute_id: string
  created_at: CreatedAt
}
export interface PortDoorsTable {
  compute_id: string
  port: number
  group_id: string
  visibility: 'private' | 'group' | 'public'
}
export interface EventsTable {
  seq: Generated<string>
  xid: Generated<string>
  group_id: string
  compute_id: string | null
  generation: number | null
  type: string
  state: string | null
  reason: string | null
  actor: string
  data: JSONColumnType<Record<string, unknown>>
  at: Generated<Date>
}

export interface WallsTable {
  part: string
  holds: boolean
  reason: string | null
  group_id: string | null
  since: ColumnType<Date, Date | undefined, Date>
  checked_at: ColumnType<Date, Date | undefined, Date>
}

export interface Database {
  groups: GroupsTable
  users: UsersTable
  memberships: MembershipsTable
  api_keys: ApiKeysTable
  refresh_tokens: RefreshTokensTable
  door_tickets: DoorTicketsTable
  images: ImagesTable
  filesystems: FilesystemsTable
  snapshots: SnapshotsTable
  parts: PartsTable
  part_references: PartReferencesTable
  computes: ComputesTable
  sandboxes: SandboxesTable
  idempotency_keys: IdempotencyKeysTable
  port_doors: PortDoorsTable
  events: EventsTable
  walls: WallsTable
}
