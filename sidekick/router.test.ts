import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRange } from './files/range.ts'
import { userPath } from './files/user-path.ts'
import { parseQuery, parseTarget, Router } from './router.ts'
import { parseStat } from './processes.ts'

const rules = { scope: 'use', during: ['open'] } as const

describe('the router', () => {
  const router = new Router()
  const [one, raw] = [() => 'one', () => 'raw']
  router.on('GET', '/v1/commands/:id', rules, one)
  router.on('*', '/v1/ports/:port/*', rules, raw)
  const find = (method: string, url: string) => router.find(method, parseTarget(url))

  it('finds by method and path, decodes parameters, and gives the rest as it came', () => {
    expect(find('GET', '/v1/commands/a%20b?x')?.params).toEqual({ id: 'a b' })
    expect(find('POST', '/v1/commands/a')).toBeUndefined()
    expect(find('GET', '/v1/commands/')).toBeUndefined()
    expect(find('GET', '/v1/commands/a/b')).toBeUndefined()
    expect(find('GET', '/V1/commands/a')).toBeUndefined()
    expect(find('PUT', '/v1/ports/80')?.rest).toBe('/')
    expect(find('PUT', '/v1/ports/80/')?.rest).toBe('/')
    expect(find('PUT', '/v1/ports/80//a%2f/../b?c=%20')?.rest).toBe('//a%2f/../b?c=%20')
    expect(find('PUT', '/v1/ports/80?q')?.rest).toBe('/?q')
  })

  it('takes an absolute address by its path and refuses what has none', () => {
    expect(parseTarget('http://a.example:1/v1/x?y=1')).toEqual({ path: '/v1/x', search: '?y=1' })
    expect(() => parseTarget('*')).toThrow('path')
    expect(() => parseTarget('host:443')).toThrow('path')
  })

  it('decodes a query once and strictly; the first of a name counts', () => {
    expect([...parseQuery('?a=1+2&b=%2B&a=3&c')]).toEqual([
      ['a', '1 2'],
      ['b', '+'],
      ['c', ''],
    ])
    expect(() => parseQuery('?a=%c0%af')).toThrow('encoding')
    expect(parseQuery('?__proto__=x').get('__proto__')).toBe('x')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        expect(parseQuery(`?v=${encodeURIComponent(value)}`).get('v')).toBe(value)
      }),
    )
  })
})

describe('a range', () => {
  it('always lies within the file', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.option(fc.nat(60)), fc.option(fc.nat(60)), (size, from, to) => {
        const range = parseRange(`bytes=${from ?? ''}-${to ?? ''}`, size)
        if (!range || range === 'unsatisfiable') return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.start).toBeLessThanOrEqual(range.end)
        expect(range.end).toBeLessThan(size)
      }),
    )
  })
})

describe('a user’s path', () => {
  it('starts at home, has no dots, and is refused when it looks encoded', () => {
    expect(userPath('a/../b', '/home/user')).toBe('/home/user/b')
    expect(userPath('/opt/env/./x', '/home/user')).toBe('/opt/env/x')
    expect(userPath('', '/home/user')).toBe('/home/user')
    for (const bad of ['a\0b', 'a%2Fb', 'a%2e', 'x'.repeat(256)])
      expect(() => userPath(bad, '/home/user')).toThrow()
  })
})

describe('a line of /proc/<pid>/stat', () => {
  it('is read right whatever the process calls itself', () => {
    const fields = 'S 1 77 77 0 -1 4194304 9 0 0 0 10 20 30 40 20 0 1 0 5555 1000 25 0'
    expect(parseStat(`42 (a) b (c)) ${fields}`)).toEqual({
      pid: 42,
      ppid: 1,
      session: 77,
      state: 'S',
      name: 'a) b (c)',
      cpuMs: 1000,
      startedAtTicks: 5555,
      rssBytes: 25 * 4096,
    })
    expect(parseStat('nonsense')).toBeUndefined()
  })
})
