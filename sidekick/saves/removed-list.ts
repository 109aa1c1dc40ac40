import { Failure } from '../errors.ts'
import { readRemovals } from '../removals.ts'
import { checkedTreePath } from './tree-path.ts'

/** Yields the removed paths, checked like any path of an archive. Errors: invalid. */
export async function* readRemovedList(
  content: AsyncIterable<Buffer>,
): AsyncGenerator<string, void, undefined> {
  for await (const path of readRemovals(content, broken)) {
    const checked = checkedTreePath(path)
    if (checked === null) throw broken()
    yield checked
  }
}

const broken = (): Failure => new Failure('invalid', 'The archive has a broken list of removals.')
