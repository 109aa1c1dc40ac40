import { afterAll, beforeAll, expect, it } from 'vitest'
import { shapeOf } from './schema.ts'
import { startHarness, type Harness, type Person } from './testing/harness.ts'

let api: Harness
let ann: Person
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann')
})
afterAll(() => api.stop())

it('text of the wrong shape is answered with what is allowed, in words', async () => {
  const compute = await api.send('POST', '/api/computes', ann.token, {})
  const path = `/api/computes/${compute.body.id}/commit`
  const { body } = await api.send('POST', path, ann.token, { name: 'My Tools' })
  expect(body).toMatchObject({
    ...{ status: 422, field: 'name' },
    detail:
      'name must be 1 to 100 lower-case letters, digits, dots, dashes and underscores, a letter or digit first',
  })
  for (const cursor of ['newest', '99999999999999999999-1', '1-9999999999999999999']) {
    const events = await api.send('GET', `/api/events?after=${cursor}`, ann.token)
    expect(events.body.detail).toBe('after must be the cursor of an event, or a `next_cursor`')
  }
})

it('no pattern of a request is without its words', () => {
  const patterns: string[] = []
  const { paths } = JSON.parse(JSON.stringify(api.app.swagger())) as {
    paths: Record<string, Record<string, { parameters?: { in: string }[]; requestBody?: object }>>
  }
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    const asked = [operation.requestBody, operation.parameters?.filter(isNoPath)]
    JSON.stringify(asked, (key, value: unknown) => {
      if (key === 'pattern') patterns.push(String(value))
      return value
    })
  }
  expect(patterns.length).toBeGreaterThan(5)
  expect(patterns.filter((pattern) => shapeOf(pattern) === undefined)).toEqual([])
})

/** One of the wrong shape in a path names nothing. */
const isNoPath = (parameter: { in: string }): boolean => parameter.in !== 'path'
