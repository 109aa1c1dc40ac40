import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './testing/wire.ts'
import { makeWorld, type World } from './testing/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld({ DORMOUSE_METRICS_TOKEN: 'scrape-me' })
  await world.listen()
})
afterAll(() => world?.close())

it('metrics are for the holder of their token, whole and alone', async () => {
  const scrape = async (headers: Record<string, string>) => {
    const host = `127.0.0.1:${world.port}`
    return (await ask(world.port, 'GET /metrics', { host, ...headers })).status
  }
  expect(await scrape({ authorization: 'Bearer scrape-me' })).toBe(200)
  expect(await scrape({})).toBe(401)
  for (const wrong of ['', 'scrape-m', 'scrape-mE', 'scrape-me2', 'Bearer scrape-me'])
    expect(await scrape({ authorization: `Bearer ${wrong}` }), wrong).toBe(401)
  expect(await scrape({ authorization: 'scrape-me' })).toBe(401)
})

it('without a token they are for this machine alone, and not for who comes through a proxy on it', async () => {
  const open = await makeWorld()
  await open.listen()
  try {
    const scrape = async (headers: Record<string, string>) => {
      const host = `127.0.0.1:${open.port}`
      return (await ask(open.port, 'GET /metrics', { host, ...headers })).status
    }
    expect(await scrape({})).toBe(200)
    expect(await scrape({ 'x-forwarded-for': '203.0.113.7' })).toBe(401)
  } finally {
    await open.close()
  }
})
