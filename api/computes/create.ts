import { authorize, defaultGroupId } from '../../auth/authorize.ts'
import type { Principal } from '../../auth/principal.ts'
import { envContext } from '../../auth/seal.ts'
import type { Queryable } from '../../records/database.ts'
import { appendEvent } from '../../records/events.ts'
import { findFilesystemInUse, insertFilesystem } from '../../records/filesystems.ts'
import { takeIdempotencyKey } from '../../records/idempotency.ts'
import { newId } from '../../records/ids.ts'
import { defaultImage, runsOn } from '../../records/images.ts'
import type { UpQuota } from '../../records/up-quota.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'
import { createFork, headOf } from '../filesystems/create.ts'
import { checkGroupQuota } from './group-quota.ts'
import { requestHash } from './request-hash.ts'
import type { CreateComputeBody } from './schema.ts'
import { checkEnv, checkSchedule } from './validate.ts'

export interface CreateRequest {
  readonly principal: Principal
  readonly body: CreateComputeBody
  readonly idempotencyKey?: string
}

export const createGroupId = (request: Omit<CreateRequest, 'idempotencyKey'>): string =>
  request.body.group_id ?? defaultGroupId(request.principal)

/**
 * One transaction: key, quota, filesystem, row and event, or nothing of it. `created` is false when
 * the key named this request before.
 */
export const insertCompute = async (
  deps: Pick<AppDeps, 'db' | 'sealer' | 'config' | 'timings' | 'runtime'> & {
    readonly upQuota: Pick<UpQuota, 'check'>
  },
  request: CreateRequest,
): Promise<{ computeId: string; created: boolean }> => {
  const { principal, body, idempotencyKey } = request
  const groupId = createGroupId(request)
  if (body.schedule !== undefined) checkSchedule(body.schedule)
  checkEnv(body.env ?? {})
  const computeId = newId()

  return deps.db.transaction().execute(async (tx) => {
    if (idempotencyKey !== undefined) {
      const taken = await takeIdempotencyKey(tx, {
        groupId,
        principal: principal.actor,
        key: idempotencyKey,
        requestSha256: requestHash(groupId, body),
        computeId,
      })
      if (taken !== computeId) return { computeId: taken, created: false }
    }
    await checkGroupQuota(tx, groupId, deps.config.computesPerGroup)
    await deps.upQuota.check(tx, principal.userId, computeId)
    const image = await findImage(tx, groupId, body.image_name, deps.runtime)
    const filesystemId =
      (await givenFilesystem(tx, principal, groupId, body)) ??
      (await newFilesystem(tx, principal, groupId, image.digest))
    await tx
      .insertInto('computes')
      .values({
        id: computeId,
        group_id: groupId,
        owner_id: principal.userId,
        name: body.name ?? computeId,
        image_id: image.id,
        filesystem_id: filesystemId,
        runtime: deps.runtime,
        tier: body.tier ?? 'basic',
        network: body.network ?? 'shared',
        state: 'requested',
        reason: 'created',
        actor: principal.actor,
        idle_timeout_ms: milliseconds(body.idle_timeout) ?? deps.timings.idleTimeoutMs,
        max_lifetime_ms: milliseconds(body.max_lifetime) ?? deps.timings.maxLifetimeMs,
        schedule: body.schedule === undefined ? null : JSON.stringify(body.schedule),
        env_sealed:
          body.env === undefined
            ? null
            : deps.sealer.seal(JSON.stringify(body.env), envContext(groupId, computeId)),
      })
      .execute()
    await appendEvent(tx, {
      groupId,
      computeId,
      generation: 0,
      type: 'compute.requested',
      state: 'requested',
      reason: 'created',
      actor: principal.actor,
      data: {
        name: body.name ?? computeId,
        image: image.name,
        filesystemId,
        tier: body.tier ?? 'basic',
        envNames: Object.keys(body.env ?? {}),
      },
    })
    return { computeId, created: true }
  })
}

const findImage = async (
  tx: Queryable,
  groupId: string,
  wanted: string | undefined,
  runtime: string,
) => {
  const nameOrId = wanted ?? defaultImage(runtime)
  const images = await tx
    .selectFrom('images')
    .select(['id', 'name', 'state', 'digest', 'group_id', 'base'])
    .where((on) => on.or([on('group_id', 'is', null), on('group_id', '=', groupId)]))
    .where((on) => on.or([on('name', '=', nameOrId), on('id', '=', nameOrId)]))
    .where('state', '!=', 'deleted')
    // Until this compute stands in its row nobody deletes it: its packages would go, and nobody would say so.
    .forKeyShare()
    .execute()
  // A group's own image goes before one of the platform with the same name.
  const image = images.find(({ group_id }) => group_id !== null) ?? images[0]
  if (image === undefined || image.state !== 'ready' || image.digest === null)
    throw new DormouseError(
      'ImageNotFound',
      image === undefined
        ? `no image "${nameOrId}" is known to this group`
        : `image "${nameOrId}" is ${image.state}`,
      { field: 'image_name' },
    )
  if (!runsOn(image.base, runtime))
    throw new DormouseError(
      'ImageNotFound',
      `image "${nameOrId}" stands on "${image.base}", which the ${runtime} runtime does not have`,
      { field: 'image_name' },
    )
  return { id: image.id, name: image.name, digest: image.digest }
}

/** The one it is to stand on, or a new copy of another one; undefined where neither was asked for. */
const givenFilesystem = async (
  tx: Queryable,
  principal: Principal,
  groupId: string,
  body: CreateComputeBody,
): Promise<string | undefined> => {
  const [field, another] = SOURCES.filter((name) => body[name] !== undefined)
  if (another !== undefined)
    throw new DormouseError('Invalid', `say ${field} or ${another}, not both`, { field: another })
  const id = field && body[field]
  if (field === undefined || id === undefined) return undefined
  if (field === 'filesystem_id') return existingFilesystem(tx, principal, groupId, id)
  const snapshotId = field === 'from_snapshot' ? id : await headOf(tx, principal, id, field)
  const copy = { snapshotId, groupId, name: null, implicit: true, field }
  return (await createFork(tx, principal, copy)).id
}

const SOURCES = ['filesystem_id', 'from_filesystem', 'from_snapshot'] as const

const newFilesystem = async (
  tx: Queryable,
  principal: Principal,
  groupId: string,
  imageDigest: string,
): Promise<string> =>
  (
    await insertFilesystem(tx, {
      groupId,
      ownerId: principal.userId,
      name: null,
      implicit: true,
      imageDigest,
    })
  ).id

const existingFilesystem = async (
  tx: Queryable,
  principal: Principal,
  groupId: string,
  id: string,
): Promise<string> => {
  const refuse = (): never => {
    throw new DormouseError('NotFound', `no filesystem ${id} in this group`, {
      field: 'filesystem_id',
    })
  }
  const row = await findFilesystemInUse(tx, id)
  if (row === undefined || row.group_id !== groupId || row.trashed_at !== null) return refuse()
  authorize(principal, 'filesystem:use', { groupId: row.group_id, ownerId: row.owner_id })
  if (row.lease_compute_id !== null)
    throw new DormouseError(
      'FilesystemBusy',
      `compute ${row.lease_compute_id} writes to it; hibernate that one, or fork the filesystem`,
      { field: 'filesystem_id', computeId: row.lease_compute_id },
    )
  return row.id
}

const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000
