/** What operators filter by in the Temporal UI. Keys only; no value here is secret or personal data. */
import { defineSearchAttributeKey } from '@temporalio/common'

export const ComputeState = defineSearchAttributeKey('ComputeState', 'KEYWORD')
export const ComputeReason = defineSearchAttributeKey('ComputeReason', 'KEYWORD')
export const ComputeOwner = defineSearchAttributeKey('ComputeOwner', 'KEYWORD')
export const ComputeGroup = defineSearchAttributeKey('ComputeGroup', 'KEYWORD')
export const ComputeImage = defineSearchAttributeKey('ComputeImage', 'KEYWORD')
export const ComputeRuntime = defineSearchAttributeKey('ComputeRuntime', 'KEYWORD')

export const SEARCH_ATTRIBUTES = [
  ComputeState,
  ComputeReason,
  ComputeOwner,
  ComputeGroup,
  ComputeImage,
  ComputeRuntime,
] as const
