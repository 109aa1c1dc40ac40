import { expect, it } from 'vitest'
import { newId } from '../records/ids.ts'
import { wantsAwake, type Asked } from './intent.ts'
import { parseRoute, portRoute } from './routes.ts'

const id = newId()
const asked = (path: string, more: Partial<Asked> = {}): boolean => {
  const method = more.method ?? 'GET'
  const route = path.startsWith('/')
    ? portRoute(id, 3000, path)
    : parseRoute(method, `/compute/${id}/${path}`)
  if (route === undefined) throw new Error(`no such route: ${path}`)
  return wantsAwake({ method, headers: {}, upgrade: false, via: 'token', ...more, route })
}
const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' }

it.each([
  ['exec by a program', () => asked('exec', { method: 'POST' }), true],
  ['files by a program', () => asked('files?path=/'), true],
  ['a terminal by a program', () => asked('terminal', { upgrade: true }), true],
  ['a reconnecting terminal', () => asked('terminal?reconnect=1', { upgrade: true }), false],
  [
    'a terminal with a ticket',
    () => asked('terminal?wake=1', { upgrade: true, via: 'ticket' }),
    false,
  ],
  [
    "a page's socket with a token",
    () => asked('terminal', { upgrade: true, headers: { origin: 'https://a.example' } }),
    false,
  ],
  ['polling activity', () => asked('activity'), false],
  ['polling activity with an explicit wish', () => asked('activity?wake=1'), true],
  ['polling commands', () => asked('commands/x'), false],
  [
    'exec that asks not to',
    () => asked('exec', { method: 'POST', headers: { 'x-dormouse-no-wake': '1' } }),
    false,
  ],
  [
    'a background fetch of a page',
    () => asked('files', { headers: { 'sec-fetch-mode': 'cors' } }),
    false,
  ],
  ['a navigation with a cookie', () => asked('/', { via: 'cookie', headers: page }), true],
  [
    'a form post with a cookie',
    () => asked('/', { via: 'cookie', method: 'POST', headers: page }),
    false,
  ],
  [
    'a prefetch with a cookie',
    () => asked('/', { via: 'cookie', headers: { ...page, 'sec-purpose': 'prefetch' } }),
    false,
  ],
  ["a cookie's request without fetch metadata", () => asked('/', { via: 'cookie' }), false],
  [
    'a wish by header with only a cookie',
    () => asked('/', { via: 'cookie', headers: { 'x-dormouse-wake': '1' } }),
    false,
  ],
  ['anybody', () => asked('/', { via: 'nobody', headers: page }), false],
])('%s', (_name, answer, expected) => {
  expect(answer()).toBe(expected)
})

it('the query of a port belongs to its application', () => {
  expect(portRoute(id, 3000, '/?reconnect=1&wake=1').flags).toEqual({
    wake: false,
    reconnect: false,
  })
})
