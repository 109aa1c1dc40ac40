import { describe, expect, it } from 'vitest'
import type { LifeEvent } from '../../sdk/types.ts'
import { describeEvent } from './words.ts'

const ME = 'vgr1qg0s9gowmv95mx89'
const told = (event: Partial<LifeEvent>): string =>
  describeEvent(
    {
      ...{ cursor: '1-1', groupId: 'g', computeId: 'c', generation: 1, type: 'compute.running' },
      ...{ state: 'running', reason: null, actor: 'system:idle-timer', data: {} },
      at: '2026-01-01T00:00:00Z',
      ...event,
    },
    ME,
  ).facts

describe('what happened', () => {
  it('says why a hibernation was called off: by activity, by the timer turned off, or unknown', () => {
    const calledOff = (data: LifeEvent['data']) => told({ reason: 'called_off', data })
    expect(calledOff({ activity: 'terminal:main' })).toBe(
      'something was using it · idle timer · activity terminal:main',
    )
    expect(calledOff({ idleTimeoutMs: 0 })).toBe('its idle timeout was turned off · idle timer')
    expect(calledOff({})).toBe('its hibernation was called off · idle timer')
  })
  it('calls the reader you, once', () => {
    expect(told({ reason: 'user', actor: `user:${ME}` })).toBe('you asked for it')
    expect(told({ reason: 'user', actor: 'user:other' })).toBe('someone asked for it · a member')
    expect(told({ reason: 'created', actor: `user:${ME}` })).toBe('it was created · you')
  })
  it('says a reason in words and leaves out what only machines compare', () => {
    const data = { reason: 'checkpoint', entries: 2, sizeBytes: 0, digest: 'sha256:70cf' }
    expect(told({ actor: `user:${ME}`, data })).toBe(
      'you · saved while running · entries 2 · size 0 B',
    )
  })
})
