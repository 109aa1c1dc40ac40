import { createHash } from 'node:crypto'
import type { CreateComputeBody } from './schema.ts'

/** Tells a request that is repeated under its idempotency key from another one. */
export const requestHash = (groupId: string, body: CreateComputeBody): Buffer =>
  createHash('sha256')
    .update(JSON.stringify(sorted({ ...body, group_id: groupId })))
    .digest()

/** The order of properties is no part of what was asked. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}
