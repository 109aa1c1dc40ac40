/** Activity presets: short attempts, retried; what is terminal is decided by workflows/errors.ts. */
import type { RetryPolicy } from '@temporalio/common'
import { FAILURES, type FailureName } from './errors.ts'

const TERMINAL = (Object.keys(FAILURES) as FailureName[]).filter((name) => !FAILURES[name].retry)

/** Until it is done: compensations and bookkeeping. */
export const UNTIL_DONE: RetryPolicy = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '30s',
  nonRetryableErrorTypes: TERMINAL,
}

/** A few attempts for a lost reply; then the workflow decides. A gone sandbox does not come back. */
export const A_FEW_TIMES: RetryPolicy = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '5s',
  maximumAttempts: 3,
  nonRetryableErrorTypes: [...TERMINAL, 'SandboxGone', 'SaveFailed'],
}

/** Whatever has a name goes to the workflow, whose own back-off a delete can interrupt; a dead worker does not. */
export const UNTIL_NAMED: RetryPolicy = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumAttempts: 3,
  nonRetryableErrorTypes: Object.keys(FAILURES),
}
