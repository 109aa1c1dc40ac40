import type { Page } from './types.ts'

const LARGEST_PAGE = 200

/** Every item of a listing, one page after the other. */
export const everyItem = async function* <Item>(
  page: (query: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined
  do {
    const { items, next_cursor } = await page({ limit: LARGEST_PAGE, ...(cursor && { cursor }) })
    yield* items
    cursor = next_cursor ?? undefined
  } while (cursor !== undefined)
}
