import { queryWhole, readBytes, readJson, stringField } from '../body.ts'
import type { SidekickContext } from '../context.ts'
import type { Router } from '../router.ts'
import { signalNamed } from '../signals.ts'
import { streamEvents } from './event-stream.ts'
import type { Commands } from './registry.ts'
import { parseExec } from './request.ts'

const REQUEST_BYTES = 4 * 1024 * 1024
const STDIN_BYTES = 1024 * 1024
const WRITING = { scope: 'use', during: ['open'] } as const
const READING = { scope: 'use', during: ['open', 'frozen'] } as const

export const registerCommands = (
  router: Router,
  { trees, gate }: SidekickContext,
  commands: Commands,
): void => {
  router.on('POST', '/v1/exec', WRITING, async ({ request, response }) => {
    const body = await readJson(request, REQUEST_BYTES)
    const spec = parseExec(body, trees.home, { alwaysBackground: false })
    const command = await gate.run(() => commands.start(spec))
    await streamEvents(command, response, { stdout: 0, stderr: 0 })
    if (spec.background) return
    if (!command.exit) command.stop()
    commands.forget(command)
  })

  router.on('POST', '/v1/commands', WRITING, async ({ request, response }) => {
    const body = await readJson(request, REQUEST_BYTES)
    const spec = parseExec(body, trees.home, { alwaysBackground: true })
    const command = await gate.run(() => commands.start(spec))
    response.statusCode = 201
    return command.info()
  })

  router.on('GET', '/v1/commands', READING, () => commands.list().map((command) => command.info()))

  router.on('GET', '/v1/commands/:id', READING, ({ params }) =>
    commands.get(params['id'] ?? '').info(),
  )

  router.on('GET', '/v1/commands/:id/output', READING, async ({ params, query, response }) => {
    const from = { stdout: queryWhole(query, 'stdout'), stderr: queryWhole(query, 'stderr') }
    await streamEvents(commands.get(params['id'] ?? ''), response, from)
  })

  router.on('POST', '/v1/commands/:id/stdin', WRITING, async ({ params, query, request }) => {
    const command = commands.get(params['id'] ?? '')
    const bytes = await readBytes(request, STDIN_BYTES)
    await gate.run(async () => command.write(bytes, query.get('eof') === '1'))
  })

  router.on('POST', '/v1/commands/:id/signal', WRITING, async ({ params, request }) => {
    const command = commands.get(params['id'] ?? '')
    command.signal(signalNamed(stringField(await readJson(request), 'signal')))
  })

  router.on('DELETE', '/v1/commands/:id', WRITING, ({ params }) => {
    const command = commands.get(params['id'] ?? '')
    command.signal('SIGKILL')
    commands.forget(command)
  })
}
