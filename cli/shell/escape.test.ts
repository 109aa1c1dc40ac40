import { describe, expect, it } from 'vitest'
import { escapeReader } from './escape.ts'

const read = (...pieces: string[]): string => {
  const reader = escapeReader()
  return pieces
    .flatMap((piece) => reader(new TextEncoder().encode(piece)))
    .map((key) => (key.kind === 'type' ? new TextDecoder().decode(key.bytes) : `<${key.kind}>`))
    .join('')
}

describe('the escape', () => {
  it('leaves after Enter, however the bytes are cut', () => {
    expect(read('ls\r~.')).toBe('ls\r<leave>')
    expect(read('ls\r', '~', '.')).toBe('ls\r<leave>')
    expect(read('~.')).toBe('<leave>')
  })
  it('is only text in the middle of a line', () => expect(read('cd ~.')).toBe('cd ~.'))
  it('types one tilde for two, and loses none before another key', () => {
    expect(read('\r~~')).toBe('\r~')
    expect(read('\r~/bin')).toBe('\r~/bin')
  })
  it('helps', () => expect(read('\r~?')).toBe('\r<help>'))
})
