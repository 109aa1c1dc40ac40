import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { optionalWhole, queryWhole, readJson, stringField, wholeField } from '../body.ts'
import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import { log } from '../log.ts'
import { CLOSE_HIBERNATED, type ArchiveRequest, type FreezeRequest } from '../protocol.ts'
import type { Router, RouteRules } from '../router.ts'
import { Freezer } from './freezer.ts'
import { Saves } from './saves.ts'
import type { TreeName } from './tree-path.ts'

const RUNNING: RouteRules = { scope: 'control', during: ['open', 'frozen'] }
const CLAIMED: RouteRules = { scope: 'control', during: ['claimed', 'open', 'frozen', 'retired'] }
const RESTORING: RouteRules = { scope: 'control', during: ['claimed'] }
const LONGEST_LEASE_MS = 10 * 60_000
const MOST_PARTS = 10_000

/** freeze, thaw, retire, archive, saves, restore: the "Save and restore" part of protocol.ts. */
export const registerSaves = (router: Router, context: SidekickContext): void => {
  const freezer = new Freezer(context)
  const saves = new Saves(context, freezer)
  context.dirty = (isFresh) => saves.dirty(isFresh)
  context.restoring = () => saves.restoring

  router.on('POST', '/v1/freeze', RUNNING, async ({ request }) => ({
    frozen: true,
    ...(await freezer.freeze(freezeRequest(await readJson(request)))),
  }))

  router.on('POST', '/v1/thaw', CLAIMED, async ({ request }) => {
    freezer.thaw(wholeField(await readJson(request), 'epoch'))
  })

  router.on('POST', '/v1/retire', CLAIMED, async ({ request }) => {
    const freeze = optionalWhole(await readJson(request), 'freeze')
    if (freeze === undefined) context.life.to('retired')
    else freezer.retire(freeze)
    context.closeSockets(CLOSE_HIBERNATED, 'hibernated')
    log('retired')
  })

  router.on(
    'POST',
    '/v1/archive',
    { ...CLAIMED, during: ['claimed', 'open', 'frozen'] },
    async (call) => {
      const { kind, stream } = await saves.archive(archiveRequest(await readJson(call.request)))
      const { response } = call
      response.writeHead(200, { 'content-type': 'application/zstd', 'x-dormouse-archive': kind })
      for await (const chunk of stream) {
        if (response.destroyed) throw new Error('the receiver of the archive went away')
        if (!response.write(chunk))
          await Promise.race([once(response, 'drain'), once(response, 'close')])
      }
      response.end()
    },
  )

  router.on('GET', '/v1/saves/:saveId', CLAIMED, ({ params }) =>
    saves.summary(params['saveId'] ?? ''),
  )

  router.on('POST', '/v1/saves/:saveId/published', CLAIMED, ({ params }) => {
    saves.published(params['saveId'] ?? '')
  })

  router.on('PUT', '/v1/restore', RESTORING, async ({ request, query }) => {
    const index = queryWhole(query, 'index', 0, MOST_PARTS)
    const count = queryWhole(query, 'count', 1, MOST_PARTS)
    if (index === undefined || count === undefined)
      throw new Failure('invalid', '`index` and `count` must say which part this is.')
    // Ending the loop early must not cut the connection: the answer has to get through.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    try {
      return { entries: await saves.restore(index, count, body) }
    } catch (error) {
      await drained(request)
      throw error
    }
  })

  router.on('POST', '/v1/restored', RESTORING, async ({ request }) => {
    const body = await readJson(request)
    return await saves.restored(body['saveId'] === null ? null : stringField(body, 'saveId'))
  })
}

/** A sender that is still sending reads no answer. */
const drained = async (request: IncomingMessage): Promise<void> => {
  if (request.readableEnded || request.destroyed) return
  const over = Promise.race([once(request, 'end'), once(request, 'close')])
  request.resume()
  await over.catch(() => {})
}

type Body = Readonly<Record<string, unknown>>

const freezeRequest = (body: Body): FreezeRequest => {
  const leaseMs = wholeField(body, 'leaseMs')
  if (leaseMs < 1 || leaseMs > LONGEST_LEASE_MS)
    throw new Failure('invalid', `\`leaseMs\` must be from 1 to ${LONGEST_LEASE_MS}.`)
  const onlyIfIdleForMs = optionalWhole(body, 'onlyIfIdleForMs')
  return {
    epoch: wholeField(body, 'epoch'),
    leaseMs,
    ...(onlyIfIdleForMs !== undefined && { onlyIfIdleForMs }),
  }
}

const archiveRequest = (body: Body): ArchiveRequest => {
  const { trees } = body
  const isTree = (tree: unknown): tree is TreeName => tree === 'home' || tree === 'env'
  if (!Array.isArray(trees) || trees.length === 0 || !trees.every(isTree))
    throw new Failure('invalid', '`trees` must name home, env or both.')
  return {
    saveId: stringField(body, 'saveId'),
    baseSaveId: body['baseSaveId'] === null ? null : stringField(body, 'baseSaveId'),
    trees: [...new Set(trees)],
  }
}
