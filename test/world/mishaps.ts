import { ApplicationFailure } from '@temporalio/common'
import type { ControlActivities, DataActivities } from '../../activities/contract.ts'
import { FAILURES, type FailureName } from '../../workflows/errors.ts'
import { latch } from '../support/latch.ts'

export type Activity = keyof ControlActivities | keyof DataActivities

interface Fault {
  readonly activity: Activity
  readonly code: FailureName
  times: number
  readonly id?: string
  readonly early?: boolean | undefined
}

/** What a test plants: activities that fail, or wait. Counts what is called. */
export class Mishaps {
  readonly calls: { activity: Activity; computeId: string }[] = []
  private readonly faults: Fault[] = []
  private readonly held = new Map<string, Promise<void>>()

  /** The next `times` calls of that activity fail so. */
  fail(activity: Activity, code: FailureName, times = 1, computeId?: string): void {
    this.faults.push({ activity, code, times, ...(computeId ? { id: computeId } : {}) })
  }

  /** As `fail`, before the activity had any effect at all. */
  failBefore(activity: Activity, code: FailureName, times: number, id: string): void {
    this.faults.push({ activity, code, times, id, early: true })
  }

  heal(): void {
    this.faults.length = 0
  }

  /** Calls of that activity wait until the returned function is called. */
  hold(activity: Activity, computeId: string): () => void {
    const released = latch()
    this.held.set(`${activity}:${computeId}`, released.opened)
    return () => {
      this.held.delete(`${activity}:${computeId}`)
      released.open()
    }
  }

  called(activity: Activity, computeId: string): number {
    return this.calls.filter((call) => call.activity === activity && call.computeId === computeId)
      .length
  }

  /** Counts the call, and waits as long as it is held. */
  protected async begun(activity: Activity, computeId: string): Promise<void> {
    this.calls.push({ activity, computeId })
    await this.held.get(`${activity}:${computeId}`)
  }

  protected planted(activity: Activity, id: string, early?: boolean): void {
    const fault = this.faults.find(
      (one) =>
        one.activity === activity &&
        one.times > 0 &&
        one.early === early &&
        (one.id === undefined || one.id === id),
    )
    if (fault === undefined) return
    fault.times -= 1
    throw failure(fault.code, `planted: ${fault.code}`)
  }
}

export const failure = (code: FailureName, message: string): ApplicationFailure =>
  ApplicationFailure.create({ type: code, message, nonRetryable: !FAILURES[code].retry })
