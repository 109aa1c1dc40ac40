import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { flagField, queryWhole, readJson, stringField } from '../body.ts'
import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import type { Router } from '../router.ts'
import { makeFolder, move, remove } from './change.ts'
import { openForReading, writeContent } from './content.ts'
import { listEntries, statEntry } from './entries.ts'
import { parseRange } from './range.ts'
import type { Trees } from './trees.ts'
import { userPath } from './user-path.ts'

const READING = { scope: 'use', during: ['open', 'frozen'] } as const
const WRITING = { scope: 'use', during: ['open'] } as const

export const registerFiles = (router: Router, context: SidekickContext, trees: Trees): void => {
  const { gate } = context
  const { home } = context.trees
  const pathOf = (query: ReadonlyMap<string, string>) => userPath(query.get('path') ?? '', home)

  router.on('GET', '/v1/files', READING, ({ query }) => listEntries(trees, pathOf(query)))

  router.on('GET', '/v1/files/stat', READING, ({ query }) => statEntry(trees, pathOf(query)))

  router.on('GET', '/v1/files/content', READING, ({ query, request, response }) =>
    sendContent(trees, pathOf(query), request.headers.range, response),
  )

  router.on('PUT', '/v1/files/content', WRITING, ({ query, request }) => {
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    const upload = { body, offset: queryWhole(query, 'offset'), mode: modeOf(query) }
    return writeContent(trees, pathOf(query), upload, gate)
  })

  router.on('POST', '/v1/files/mkdir', WRITING, async ({ request }) => {
    const path = userPath(stringField(await readJson(request), 'path'), home)
    await gate.run(() => makeFolder(trees, path))
  })

  router.on('POST', '/v1/files/move', WRITING, async ({ request }) => {
    const body = await readJson(request)
    const from = userPath(stringField(body, 'from'), home)
    const to = userPath(stringField(body, 'to'), home)
    await gate.run(() => move(trees, from, to, { overwrite: flagField(body, 'overwrite') }))
  })

  router.on('DELETE', '/v1/files', WRITING, async ({ query }) => {
    if (!query.get('path')) throw new Failure('invalid', 'Name what to remove: `path`.')
    await gate.run(() =>
      remove(trees, pathOf(query), { recursive: query.get('recursive') === '1' }),
    )
  })
}

const sendContent = async (
  trees: Trees,
  path: string,
  rangeHeader: string | undefined,
  response: ServerResponse,
): Promise<void> => {
  const file = await openForReading(trees, path)
  try {
    const { size, mtime } = await file.stat()
    const range = parseRange(rangeHeader, size)
    response.setHeader('accept-ranges', 'bytes')
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
      return
    }
    const { start, end } = range ?? { start: 0, end: size - 1 }
    response.writeHead(range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start + 1,
      'last-modified': mtime.toUTCString(),
      'x-content-type-options': 'nosniff',
      ...(range && { 'content-range': `bytes ${start}-${end}/${size}` }),
    })
    if (size === 0) response.end()
    // A reader that leaves is no failure of ours, and the status is sent.
    else
      await pipeline(file.createReadStream({ start, end, autoClose: false }), response).catch(
        () => {},
      )
  } finally {
    await file.close()
  }
}

const modeOf = (query: ReadonlyMap<string, string>): number | undefined => {
  const text = query.get('mode')
  if (text === undefined) return undefined
  if (!/^0?[0-7]{3}$/.test(text)) throw new Failure('invalid', '`mode` must be octal, like 644.')
  return Number.parseInt(text, 8)
}
