import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ComputeState, Wish } from './contract.ts'
import { isComingUp, judge, next, type LifecycleEvent } from './lifecycle.ts'
import { admit, judgeQueued, projected, takeNext, type Entry } from './queue.ts'

const cause = { reason: 'user', actor: 'user:a' } as const
const WISHES = {
  hibernate: { kind: 'hibernate', cause, automatic: false },
  wake: { kind: 'wake', cause },
  delete: { kind: 'delete', cause, purge: false },
  retry: { kind: 'retry', cause },
  checkpoint: { kind: 'checkpoint', cause },
  commit: { kind: 'commit', cause, imageId: 'i' },
} as const satisfies Record<string, Wish>
type Asked = keyof typeof WISHES

test('a person does not rely on an automatic hibernation, and joins another person', () => {
  const automatic: Entry = { wish: { kind: 'hibernate', cause, automatic: true }, tickets: [] }
  const queue: Entry[] = []
  admit({ kind: 'join' }, WISHES.hibernate, 1, queue, automatic, true)
  expect(queue).toHaveLength(1)
  admit({ kind: 'join' }, WISHES.hibernate, 2, queue, automatic, true)
  expect(queue).toEqual([{ wish: WISHES.hibernate, tickets: [1, 2] }])
})

test('a person does not rely on a schedule, which activity may call off; a schedule does', () => {
  const bySchedule = {
    ...WISHES.hibernate,
    cause: { reason: 'schedule', actor: 'system:schedule' },
  }
  const serving: Entry = { wish: bySchedule as Wish, tickets: [] }
  const queue: Entry[] = []
  admit({ kind: 'join' }, WISHES.hibernate, 1, queue, serving, true)
  admit({ kind: 'join' }, bySchedule as Wish, 2, [], serving, true)
  expect(queue).toEqual([{ wish: WISHES.hibernate, tickets: [1] }])
  expect(serving.tickets).toEqual([2])
})

test('a delete overtakes, then a loss, then the order of asking', () => {
  const lost: Wish = { kind: 'lost', cause, generation: 1 }
  const queue = [WISHES.checkpoint, lost, WISHES.hibernate, WISHES.delete].map((wish) => ({
    wish,
    tickets: [],
  }))
  const kinds = [1, 2, 3, 4].map(() => takeNext(queue)?.wish.kind)
  expect(kinds).toEqual(['delete', 'lost', 'checkpoint', 'hibernate'])
})

/** The plot in small: it serves the queue by the rules, and the world decides how each step ends. */
class Model {
  state: ComputeState = 'requested'
  queue: Entry[] = []
  serving: Entry | undefined
  open = new Set<number>()
  tickets = 0

  ask(name: Asked): void {
    const verdict = judgeQueued(name, this.state, this.queue)
    if (verdict.kind === 'refuse' || verdict.kind === 'answer') return
    this.tickets += 1
    this.open.add(this.tickets)
    admit(verdict, WISHES[name], this.tickets, this.queue, this.serving, true)
  }

  /** One step of the plot; false when it rests with nothing to do. */
  step(fate: number): boolean {
    if (this.queue.some(({ wish }) => wish.kind === 'delete')) {
      this.settle()
      this.serving = takeNext(this.queue)
      for (const entry of this.queue.splice(0)) this.close(entry)
      if (this.state !== 'terminating') this.go('delete')
      return true
    }
    if (this.state === 'terminating') return this.end('released')
    if (this.state === 'requested') return this.go('provision')
    if (isComingUp(this.state)) {
      if (fate % 5 === 0) return this.end('fail')
      return fate % 2 === 0 && this.state !== 'restoring' ? this.go('restore') : this.end('open')
    }
    if (this.state === 'hibernating') {
      if (fate % 5 === 0) return this.go('lost')
      return this.end(fate % 3 === 0 ? 'save_failed' : 'saved')
    }
    const entry = takeNext(this.queue)
    if (entry === undefined) return false
    return this.serve(entry)
  }

  private serve(entry: Entry): boolean {
    const { wish } = entry
    if (wish.kind === 'lost') return true
    const verdict = judge(wish.kind, this.state)
    expect(['serve', 'answer', 'refuse']).toContain(verdict.kind)
    if (verdict.kind !== 'serve' || wish.kind === 'checkpoint' || wish.kind === 'commit') {
      this.close(entry)
      return true
    }
    this.serving = entry
    return this.go(wish.kind)
  }

  private go(event: LifecycleEvent): boolean {
    const to = next(this.state, event)
    expect(to, `${event} in ${this.state}`).toBeDefined()
    this.state = to ?? this.state
    return true
  }

  private end(event: LifecycleEvent): boolean {
    this.go(event)
    this.settle()
    return true
  }

  private settle(): void {
    if (this.serving) this.close(this.serving)
    this.serving = undefined
  }

  private close(entry: Entry): void {
    for (const ticket of entry.tickets) this.open.delete(ticket)
  }
}

const anything = fc.array(
  fc.oneof(
    fc.constantFrom(...(Object.keys(WISHES) as Asked[]).filter((name) => name !== 'delete')),
    fc.nat(1000),
  ),
  { maxLength: 40 },
)
const play = (steps: readonly (Asked | number)[]): Model => {
  const model = new Model()
  for (const step of steps)
    if (typeof step === 'number') model.step(step)
    else model.ask(step)
  return model
}
const rest = (model: Model): number => {
  for (let steps = 0; steps < 500; steps += 1) if (!model.step(1)) return steps
  return 500
}

test('in 2,000 sequences of commands and fates nobody waits for ever, and every end is a rest', () => {
  fc.assert(
    fc.property(anything, (steps) => {
      const model = play(steps)
      expect(rest(model)).toBeLessThan(500)
      expect(['running', 'hibernated', 'failed']).toContain(model.state)
      expect([...model.open]).toEqual([])
    }),
    { numRuns: 2000 },
  )
})

test('in 2,000 sequences delete is served from wherever it is and reaches terminated', () => {
  fc.assert(
    fc.property(anything, (steps) => {
      const model = play(steps)
      model.ask('delete')
      expect(rest(model)).toBeLessThan(10)
      expect(model.state).toBe('terminated')
      expect([...model.open]).toEqual([])
    }),
    { numRuns: 2000 },
  )
})

test('in 2,000 sequences without failures the last of hibernate and wake decides where it rests', () => {
  const asked = fc.array(fc.oneof(fc.constantFrom('hibernate', 'wake'), fc.constant(1)), {
    minLength: 1,
    maxLength: 40,
  })
  fc.assert(
    fc.property(asked, (steps) => {
      const model = play(steps as (Asked | number)[])
      const last = steps.findLast((step) => typeof step === 'string')
      rest(model)
      expect(model.state).toBe(last === 'hibernate' ? 'hibernated' : 'running')
    }),
    { numRuns: 2000 },
  )
})

test('what is projected is what a queue leads to when nothing fails', () => {
  fc.assert(
    fc.property(anything, (steps) => {
      const model = play(steps.filter((step) => typeof step === 'string' || step > 500))
      if (!['running', 'hibernated', 'failed'].includes(model.state)) return
      const expected = projected(model.state, model.queue)
      rest(model)
      const restsAt = { hibernating: 'hibernated', waking: 'running', provisioning: 'running' }
      expect(model.state).toBe(restsAt[expected as keyof typeof restsAt] ?? expected)
    }),
    { numRuns: 1000 },
  )
})
