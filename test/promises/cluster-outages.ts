/**
 * Something that computes stand on gets SIGKILL while four of them are in the middle of a step each:
 * started, saved, woken, deleted. Then each must end where it was going, with its tree.
 */
import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stack } from '../support/stack.ts'
import type { Visitor } from '../support/visitor.ts'

export type Moment = 'provision' | 'save' | 'wake' | 'delete'

/** States of the row that say: it is in the middle. */
const MIDDLE = {
  provision: ['provisioning'],
  save: ['hibernating'],
  wake: ['waking', 'restoring'],
  delete: ['terminating'],
} as const satisfies Record<Moment, readonly string[]>

const END = {
  provision: 'running',
  save: 'hibernated',
  wake: 'running',
  delete: 'terminated',
} as const satisfies Record<Moment, string>

const ENDS_WITHIN_MS = 90_000

export interface Subject {
  readonly moment: Moment
  readonly id: string
  /** Of the tree it has to have in the end; none yet of one that is just being made. */
  readonly hash: string | undefined
}

export interface Outage {
  strike(): Promise<void>
  /** The part starts again this long after the strike. */
  readonly lastsMs: number
  end(): Promise<void>
  /** From when all four are in the middle until the strike, at random below this. */
  readonly laterMs: number
  readonly noiseMib: number
}

/** Answers how long each part of it took, for the log of a run. */
export const survivesOutage = async (
  stack: Stack,
  visitor: Visitor,
  outage: Outage,
): Promise<Readonly<Record<string, unknown>>> => {
  const prepared = await Promise.all(
    (['save', 'wake', 'delete'] as const).map((moment) =>
      prepare(visitor, moment, outage.noiseMib),
    ),
  )
  const subjects = await setUnderWay(stack, visitor, prepared)
  const laterMs = Math.round(Math.random() * outage.laterMs)
  await sleep(laterMs)
  await outage.strike()
  let endedInTheOutage: readonly string[]
  try {
    expect(await outside(stack, subjects), 'the strike must fall into all four').toEqual([])
    await sleep(outage.lastsMs)
    endedInTheOutage = await outside(stack, subjects)
  } finally {
    // A strike that fell beside them must not leave the part down for whoever comes next.
    await outage.end()
  }
  const overAt = Date.now()
  await Promise.all(subjects.map((subject) => endsRight(visitor, subject)))
  return { laterMs, endedInTheOutage, allRightAfterMs: Date.now() - overAt }
}

/** A compute with a tree; the one that will be woken, asleep. */
export const prepare = async (
  visitor: Visitor,
  moment: Exclude<Moment, 'provision'>,
  noiseMib: number,
): Promise<Subject> => {
  const { client } = visitor
  const { id } = await client.computes.create(
    { name: `struck: ${moment}`, tier: 'tiny' },
    { wait: 60 },
  )
  await visitor.until(id, 'running', ENDS_WITHIN_MS)
  await visitor.makeTree(id, { seed: id, smallFiles: 100, contiguousMib: 1 })
  await visitor.run(id, `head -c ${noiseMib * 2 ** 20} /dev/urandom > tree/noise`)
  const hash = await visitor.hashTree(id)
  if (moment === 'wake') await client.computes.hibernate(id, { wait: 60 })
  return { moment, id, hash }
}

/** Asks for all four at once; answers when each is in the middle. Errors: one was through before. */
const setUnderWay = async (
  stack: Stack,
  { client }: Visitor,
  prepared: readonly Subject[],
): Promise<readonly Subject[]> => {
  const ask = {
    provision: () => client.computes.create({ name: 'struck: provision', tier: 'tiny' }),
    save: (id: string) => client.computes.hibernate(id),
    wake: (id: string) => client.computes.wake(id),
    // Without a purge: what is deleted for good need not be saved first.
    delete: (id: string) => client.computes.remove(id),
  }
  const [{ id }] = await Promise.all([
    ask.provision(),
    ...prepared.map(({ moment, id }) => ask[moment](id)),
  ])
  const subjects: readonly Subject[] = [...prepared, { moment: 'provision', id, hash: undefined }]
  for (let waited = 0; (await outside(stack, subjects)).length > 0; waited += 20) {
    if (waited > 10_000)
      throw new Error(`never in the middle at once: ${(await outside(stack, subjects)).join()}`)
    await sleep(20)
  }
  return subjects
}

/** Those that are not in the middle now: `moment: state`. */
export const outside = async (
  stack: Stack,
  subjects: readonly Pick<Subject, 'id' | 'moment'>[],
): Promise<readonly string[]> => {
  const ids = subjects.map(({ id }) => id)
  const rows = await stack.db
    .selectFrom('computes')
    .select(['id', 'state'])
    .where('id', 'in', ids)
    .execute()
  const states = new Map(rows.map(({ id, state }) => [id, state]))
  return subjects
    .filter(({ moment, id }) => !MIDDLE[moment].some((state) => state === states.get(id)))
    .map(({ moment, id }) => `${moment}: ${states.get(id)}`)
}

/** It gets where it was going, wakes if it sleeps, has its tree, and goes. */
export const endsRight = async (visitor: Visitor, { moment, id, hash }: Subject): Promise<void> => {
  const { client } = visitor
  await visitor.until(id, END[moment], ENDS_WITHIN_MS)
  if (moment === 'delete') return
  if (moment === 'save') await client.computes.wake(id, { wait: 60 })
  if (hash === undefined) expect(await visitor.run(id, 'echo up')).toBe('up\n')
  else expect(await visitor.hashTree(id), moment).toBe(hash)
  await client.computes.remove(id, { purge: true, wait: 60 })
  await visitor.until(id, 'terminated', ENDS_WITHIN_MS)
}
