import { describe, expect, it } from 'vitest'
import { confined, parsePlace, targetOf } from './copy/place.ts'
import { table } from './table.ts'
import { parseSeconds, span } from './when.ts'

describe('times', () => {
  it('are read with units', () => {
    expect(['90', '90s', '1.5m', '2h', '1d', 'off', 'never'].map(parseSeconds)).toEqual([
      90, 90, 90, 7200, 86_400, 0, 0,
    ])
    expect(parseSeconds('soon')).toBeUndefined()
  })
  it('are shown in one unit', () =>
    expect([5_000, 300_000, 7_200_000, 345_600_000].map(span)).toEqual(['5s', '5m', '2h', '4d']))
})

describe('a table', () => {
  it('is aligned by what is seen, not by colour codes', () => {
    expect(
      table(
        ['A', 'B'],
        [
          ['\u001b[32mok\u001b[39m', 'x'],
          ['longer', 'y'],
        ],
      ),
    ).toBe('A       B\n\u001b[32mok\u001b[39m      x\nlonger  y')
  })
})

describe('a place', () => {
  it('is in a compute when a name stands before a colon', () => {
    expect(parsePlace('web:src')).toEqual({ kind: 'remote', compute: 'web', path: 'src' })
    expect(parsePlace('web:')).toEqual({ kind: 'remote', compute: 'web', path: '/home/user' })
    for (const local of ['./web:src', '/a:b', '../x', 'plain', '.'])
      expect(parsePlace(local)).toEqual({ kind: 'local', path: local })
  })
  it('takes the name of what is copied into a folder', () => {
    expect(targetOf('/a/src', 'dst', true)).toBe('dst/src')
    expect(targetOf('/a/src/', 'dst/', false)).toBe('dst/src')
    expect(targetOf('/a/src', 'dst', false)).toBe('dst')
  })
  it('from a compute never leads out of the folder', () => {
    expect(confined('/tmp/x', './a/b')).toBe('/tmp/x/a/b')
    for (const name of ['../y', '/etc/passwd', 'a/../../y', '../xy'])
      expect(() => confined('/tmp/x', name)).toThrow(/outside/)
  })
})
