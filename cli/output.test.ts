import { afterEach, describe, expect, it, vi } from 'vitest'
import { pick } from './resolve.ts'
import { harmless, print, printJson, shown, styled } from './output.ts'

const HOSTILE = 'a\u001b]0;title\u0007\u001b[2J\u009b2J\r\n\u202eb\u007f'

/** Everything that a terminal acts on, but the ends of our lines. */
const ACTED_ON = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/

describe('what others wrote', () => {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  })
  const outputOf = (write: () => void): string => {
    let out = ''
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((out += String(text))))
    write()
    vi.restoreAllMocks()
    return out
  }

  it('never steers a terminal, and can be read', () => {
    expect(shown('Zoë’s 猫 🐭 שלום')).toBe('Zoë’s 猫 🐭 שלום')
    expect(shown('a\u001b[31mb\nc')).toBe('a\\u001b[31mb\\u000ac')
    expect(outputOf(() => print(HOSTILE))).not.toMatch(ACTED_ON)
    expect(shown(HOSTILE)).not.toContain('\n')
  })

  it('keeps lines and the styles of this command', () => {
    vi.stubEnv('NO_COLOR', '')
    const terminal = { isTTY: true } as NodeJS.WriteStream
    const text = `${styled('red', 'Error:', terminal)} one\n\ttwo`
    expect(text).toContain('\u001b[31m')
    expect(harmless(text)).toBe(text)
    expect(harmless('\u001b[8mhidden')).toBe('\\u001b[8mhidden')
  })

  it('is in JSON the same, and harmless too', () => {
    const out = outputOf(() => printJson({ name: HOSTILE }))
    expect(out).not.toMatch(ACTED_ON)
    expect(JSON.parse(out)).toEqual({ name: HOSTILE })
  })

  it('is one line in a list of names', () => {
    const compute = (id: string) => ({ id, name: HOSTILE }) as Parameters<typeof pick>[0][number]
    expect(() => pick([compute('one'), compute('two')], 'a')).toThrow(
      /computes:\n {2}one {2}[^\n]+\n {2}two {2}[^\n]+$/,
    )
  })
})
