/** Registers the search attributes of workflows/search-attributes.ts with a namespace. */
import type { Connection } from '@temporalio/client'
import type { NativeConnection } from '@temporalio/worker'
import { SEARCH_ATTRIBUTES } from '../workflows/search-attributes.ts'

export * from '../workflows/search-attributes.ts'

const KEYWORD = 2
const ALREADY_EXISTS = 6
/** As Temporal Cloud answers, where they are made by its own tools. */
const PERMISSION_DENIED = 7
const UNIMPLEMENTED = 12

/** Idempotent. A workflow that upserts an unknown attribute is stuck, so every worker does this first. */
export const ensureSearchAttributes = async (
  connection: Connection | NativeConnection,
  namespace: string,
): Promise<void> => {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
  const missing = SEARCH_ATTRIBUTES.filter((key) => !Object.hasOwn(customAttributes, key.name))
  if (missing.length === 0) return
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((key) => [key.name, KEYWORD])),
    })
  } catch (error) {
    const { code } = error as { code?: number }
    // Another worker was faster.
    if (code === ALREADY_EXISTS) return
    const names = missing.map(({ name }) => name).join(', ')
    if (code !== PERMISSION_DENIED && code !== UNIMPLEMENTED) throw error
    throw new Error(
      `namespace ${namespace} of Temporal lacks search attributes that this account may not add: make ${names}, each of type Keyword`,
      { cause: error },
    )
  }
}
