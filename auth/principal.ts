import type { Actor } from '../workflows/compute/contract.ts'
import type { Role } from '../records/schema.ts'

/** Who is asking, as every door sees it. */
export interface Principal {
  readonly kind: 'user' | 'key'
  readonly userId: string
  /** The API key's id, when one was used. */
  readonly keyId?: string
  /** The login it came from, for a user: what is done in its name ends when that login is revoked. */
  readonly sessionId?: string
  readonly email: string
  /** Groups and roles; an API key sees only its own group. */
  readonly groups: readonly { readonly groupId: string; readonly role: Role }[]
  readonly personalGroupId: string
  /** May see every group's operations pages; never a way around group checks of tenants' data. */
  readonly operator: boolean
  readonly actor: Actor
}
