import { ApplicationFailure } from '@temporalio/common'
import { expect, test } from 'vitest'
import { DormouseError } from '../workflows/errors.ts'
import { asFailure } from './activity-errors.ts'

test('a named error keeps its name, its details, and whether a retry helps', () => {
  const terminal = asFailure(new DormouseError('SnapshotCorrupt', 'part 3', { part: 3 }))
  expect(terminal).toBeInstanceOf(ApplicationFailure)
  expect(terminal).toMatchObject({
    type: 'SnapshotCorrupt',
    message: 'part 3',
    nonRetryable: true,
    details: [{ part: 3 }],
  })
  expect(asFailure(new DormouseError('StoreUnavailable', 'no answer'))).toMatchObject({
    nonRetryable: false,
  })
})

test('what has no name is left alone', () => {
  const bug = new TypeError('x is undefined')
  expect(asFailure(bug)).toBe(bug)
})
