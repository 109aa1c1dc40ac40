/** The gVisor process of a compute's pod gets SIGKILL on its node, in the middle of a step. */
import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSandboxStarted, killSandbox } from '../../deploy/cluster/outages.ts'
import type { Stack } from '../support/stack.ts'
import type { Visitor } from '../support/visitor.ts'
import { endsRight, outside, prepare, type Subject } from './cluster-outages.ts'

const NOISE_MIB = 24
const STRIKES_WITHIN_MS = 20_000

export interface Grounds {
  readonly stack: Stack
  readonly visitor: Visitor
}

export const survivesKillOfNewSandbox = async ({ stack, visitor }: Grounds): Promise<void> => {
  const { id } = await visitor.client.computes.create({ name: 'struck: new', tier: 'tiny' })
  const subject = { moment: 'provision', id, hash: undefined } as const
  await strike(stack, subject, () => isStarted(stack, id))
  await endsRight(visitor, subject)
}

export const survivesKillOfWakingSandbox = async ({ stack, visitor }: Grounds): Promise<void> => {
  const subject = await prepare(visitor, 'wake', NOISE_MIB)
  await visitor.client.computes.wake(subject.id)
  await strike(stack, subject, () => isRestoring(stack, subject.id))
  await endsRight(visitor, subject)
}

/** Nothing of this save was published: the checkpoint before it is what is left, and the event says since when. */
export const losesWhatNoSaveHas = async ({ stack, visitor }: Grounds): Promise<void> => {
  const subject = await prepare(visitor, 'save', NOISE_MIB)
  const { client } = visitor
  const checkpointAt = Date.now()
  await client.computes.checkpoint(subject.id, { wait: 60 })
  const writtenAt = Date.now()
  await visitor.run(subject.id, 'echo new > tree/new; mv tree/noise tree/moved')
  await client.computes.hibernate(subject.id)
  await strike(stack, subject)
  await endsRight(visitor, subject)
  const { items } = await client.events.page({ computeId: subject.id })
  const since = items.flatMap(({ data }) =>
    typeof data['lossSince'] === 'string' ? [Date.parse(data['lossSince'])] : [],
  )
  expect(since, 'one event tells of a loss').toHaveLength(1)
  expect(since[0]).toBeGreaterThanOrEqual(checkpointAt - 1_000)
  expect(since[0]).toBeLessThanOrEqual(writtenAt)
}

/** The head has moved, the pod has not ended yet. */
export const losesNothingOnceSaved = async ({ stack, visitor }: Grounds): Promise<void> => {
  const subject = await prepare(visitor, 'save', 1)
  await visitor.client.computes.hibernate(subject.id)
  await strike(stack, subject, () => isSaved(stack, subject.id))
  await endsRight(visitor, subject)
  const { items } = await visitor.client.events.page({ computeId: subject.id })
  expect(items.filter(({ data }) => data['lossSince'] !== undefined)).toEqual([])
}

export const deletesWhatCannotBeSaved = async ({ stack, visitor }: Grounds): Promise<void> => {
  const subject = await prepare(visitor, 'delete', NOISE_MIB)
  await visitor.client.computes.remove(subject.id)
  await strike(stack, subject)
  await endsRight(visitor, subject)
  const { items } = await visitor.client.events.page({ computeId: subject.id })
  const ended = items.find(({ type }) => type === 'compute.terminated')
  expect(ended?.data).toMatchObject({ unsaved: true })
}

/** When it is in the middle, its sandbox is there and `due` says so. Errors: that never was. */
const strike = async (
  stack: Stack,
  subject: Subject,
  due: () => Promise<boolean> = () => sleep(Math.random() * 50, Math.random() < 0.2),
): Promise<void> => {
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const giveUpAt = Date.now() + STRIKES_WITHIN_MS
  for (;;) {
    const isInside = (await outside(stack, [subject])).length === 0
    if (isInside && (await due()) && (await killSandbox(namespace, await podOf(stack, subject.id))))
      break
    if (Date.now() > giveUpAt) throw new Error(`${subject.moment}: there was nothing to strike`)
    await sleep(10)
  }
  expect(await outside(stack, [subject]), 'the strike must fall inside').toEqual([])
}

const podOf = async (stack: Stack, id: string): Promise<string> =>
  `compute-${id}-${(await rowOf(stack, id)).generation}`

const rowOf = (stack: Stack, id: string) =>
  stack.db
    .selectFrom('computes')
    .select(['generation', 'state'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()

/** And its `runsc start` has returned. */
const isStarted = async (stack: Stack, id: string): Promise<boolean> => {
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  return (await isSandboxStarted(namespace, await podOf(stack, id))) && sleep(100, true)
}

const isRestoring = async (stack: Stack, id: string): Promise<boolean> =>
  (await rowOf(stack, id)).state === 'restoring'

const isSaved = async (stack: Stack, id: string): Promise<boolean> => {
  const row = await stack.db
    .selectFrom('filesystems')
    .innerJoin('computes', 'computes.filesystem_id', 'filesystems.id')
    .select('head_snapshot_id')
    .where('computes.id', '=', id)
    .executeTakeFirstOrThrow()
  return row.head_snapshot_id !== null
}
