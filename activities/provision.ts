import { envContext } from '../auth/seal.ts'
import { tierOf } from '../config/tiers.ts'
import type { Db } from '../records/database.ts'
import { findSnapshot, type SnapshotRow } from '../records/snapshots.ts'
import {
  findLastUp,
  findSandbox,
  recordEnded,
  recordEndpoint,
  recordOpened,
  recordRestoring,
  takeGeneration,
  type TakenGeneration,
} from '../records/generations.ts'
import type { Hello } from '../sidekick/protocol.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { ControlActivities, Provisioned } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import type { Endpoint, Sandbox } from './ports.ts'
import { treeRoom } from './tree-room.ts'

type ProvisionDeps = Pick<ControlDeps, 'db' | 'runtime' | 'sidekick' | 'sealer' | 'ticketKeys'>
type ProvisionInput = Parameters<ControlActivities['provision']>[0]

const HELLO_WITHIN_MS = 20_000

/**
 * The hot path of create and wake: rows, sandbox, hello, claim, and, when there is nothing to
 * restore, open. Each step is one that may have been done before by an attempt whose answer was lost.
 */
export const createProvision =
  (deps: ProvisionDeps) =>
  async (input: ProvisionInput): Promise<Provisioned> => {
    const taken = await takeGeneration(deps.db, input)
    try {
      return await provisionTaken(deps, input, taken)
    } catch (error) {
      await endIfStopped(deps, input)
      throw error
    }
  }

const provisionTaken = async (
  deps: ProvisionDeps,
  input: ProvisionInput,
  taken: TakenGeneration,
): Promise<Provisioned> => {
  const { db, runtime, sidekick } = deps
  const { compute, headSnapshotId } = taken
  await endOlder(deps, taken)
  const head = headSnapshotId === null ? undefined : await findSnapshot(db, headSnapshotId)
  const sandbox = await started(deps, input, taken, head)
  const { fingerprint, ...hello } = await sidekick.hello(sandbox.address, HELLO_WITHIN_MS)
  const endpoint = { address: sandbox.address, fingerprint }
  const keptTree = sandbox.tree === 'kept'
  const epoch = keptTree ? await epochOfKeptTree(db, taken) : taken.sandbox.epoch
  const { bootId } = hello
  const { limits } = sandbox
  await recordEndpoint(db, input, { ...endpoint, bootId, limits, epoch })
  await claim(deps, input, taken, endpoint, hello, epoch)

  const restores = !keptTree && (headSnapshotId !== null || taken.image.hasLayer)
  const provisioned: Provisioned = {
    state: restores ? 'restoring' : 'running',
    filesystemId: compute.filesystem_id,
    epoch,
    snapshotId: keptTree ? null : headSnapshotId,
    keptTree,
  }
  const wasOpen = hello.state === 'open' || hello.state === 'frozen'
  if (restores && !wasOpen) {
    await recordRestoring(db, input)
    return provisioned
  }
  if (!wasOpen) {
    // Nothing is said of a base: a sidekick that was told of none makes its first save a whole one.
    await runtime.markTreeComplete(input)
    await sidekick.open(endpoint, input)
  }
  const baseSaveId = wasOpen ? taken.sandbox.base_save_id : null
  const detail = { limits, ...(keptTree ? { keptTree } : {}) }
  await recordOpened(db, { ...input, baseSaveId, detail })
  return { ...provisioned, state: 'running' }
}

/** What was stopped while this attempt was starting it: the stop came before there was a sandbox to end. */
const endIfStopped = async (
  { db, runtime }: ProvisionDeps,
  input: ProvisionInput,
): Promise<void> => {
  const row = await findSandbox(db, input).catch(() => undefined)
  if (row !== undefined && row.ended_at !== null)
    await runtime.stop(input, { keepTree: true }).catch(() => undefined)
}

/** A worker that died between two generations may have left the older one up; its tree is the next one's. */
const endOlder = async ({ db, runtime }: ProvisionDeps, taken: TakenGeneration): Promise<void> => {
  for (const { compute_id, generation } of taken.unended) {
    const older = { computeId: compute_id, generation }
    await runtime.stop(older, { keepTree: true })
    await recordEnded(db, older)
  }
}

const started = async (
  { runtime }: ProvisionDeps,
  input: ProvisionInput,
  { compute, image }: TakenGeneration,
  head: SnapshotRow | undefined,
): Promise<Sandbox> => {
  const tier = tierOf(compute.tier)
  try {
    return await runtime.ensure({
      computeId: input.computeId,
      generation: input.generation,
      groupId: compute.group_id,
      image: { name: image.base, digest: image.digest ?? image.base },
      network: compute.network,
      cpuMillis: tier.cpuMillis.limit,
      memoryBytes: tier.memoryBytes.limit,
      pids: tier.pids,
      treeBytes: treeRoom(tier, head?.manifest),
      requests: {
        cpuMillis: tier.cpuMillis.request,
        memoryBytes: tier.memoryBytes.request,
      },
    })
  } catch (error) {
    if (error instanceof DormouseError && error.name !== 'ProvisionFailed') throw error
    // Only now asked: the answer costs as much as a start.
    const why = await runtime.unavailable().catch(() => null)
    if (why !== null) throw new DormouseError('IsolationUnavailable', why, {}, error)
    throw error instanceof DormouseError
      ? error
      : new DormouseError('ProvisionFailed', `the sandbox did not start: ${text(error)}`, {}, error)
  }
}

/**
 * A kept tree stands on the epoch of the generation that wrote it. When somebody else wrote to the
 * filesystem since, it keeps that old epoch: its next save is refused and kept as a fork, and told,
 * instead of going over what the other one published. Each generation takes one epoch, also one that
 * did not come up: more than those lie between when somebody else took one.
 */
const epochOfKeptTree = async (db: Db, { sandbox }: TakenGeneration): Promise<number> => {
  if (sandbox.boot_id !== null) return sandbox.epoch
  const { compute_id: computeId, generation } = sandbox
  const lastUp = await findLastUp(db, { computeId, generation })
  if (lastUp === undefined) return sandbox.epoch
  const epochsSince = sandbox.epoch - lastUp.epoch
  return epochsSince === sandbox.generation - lastUp.generation ? sandbox.epoch : lastUp.epoch
}

const claim = async (
  deps: ProvisionDeps,
  input: ProvisionInput,
  { compute, sandbox }: TakenGeneration,
  endpoint: Endpoint,
  hello: Hello,
  epoch: number,
): Promise<void> => {
  const { computeId, generation } = input
  if (hello.claimed && (hello.computeId !== computeId || hello.generation !== generation))
    throw new DormouseError('ProvisionFailed', 'the sidekick that answers is claimed by another')
  const tier = tierOf(compute.tier)
  const context = envContext(compute.group_id, computeId)
  const env =
    compute.env_sealed === null
      ? {}
      : (JSON.parse(deps.sealer.open(compute.env_sealed, context)) as Record<string, string>)
  await deps.sidekick.claim(endpoint, {
    claimId: sandbox.claim_id,
    computeId,
    generation,
    epoch,
    name: compute.name,
    ticketKeys: deps.ticketKeys,
    env,
    caps: { maxBytes: tier.maxBytes, maxEntries: tier.maxEntries },
  })
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))
