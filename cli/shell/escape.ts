/** `Enter ~ .` leaves, `Enter ~ ~` types a tilde, `Enter ~ ?` helps; everything else is typed. */
export type Key =
  | { readonly kind: 'type'; readonly bytes: Uint8Array }
  | { readonly kind: 'leave' }
  | { readonly kind: 'help' }

const [TILDE, DOT, QUESTION, CR, LF] = [0x7e, 0x2e, 0x3f, 0x0d, 0x0a]

/** Reads typed bytes, which may come in any pieces, and finds the escapes in them. */
export const escapeReader = (): ((bytes: Uint8Array) => Key[]) => {
  let atLineStart = true
  let tilde = false
  return (bytes) => {
    const keys: Key[] = []
    let typed: number[] = []
    const flush = () => {
      if (typed.length > 0) keys.push({ kind: 'type', bytes: Uint8Array.from(typed) })
      typed = []
    }
    for (const byte of bytes) {
      if (tilde) {
        tilde = false
        if (byte === DOT || byte === QUESTION) {
          flush()
          keys.push({ kind: byte === DOT ? 'leave' : 'help' })
          atLineStart = true
          continue
        }
        typed.push(TILDE)
        if (byte !== TILDE) typed.push(byte)
      } else if (atLineStart && byte === TILDE) {
        tilde = true
        continue
      } else typed.push(byte)
      atLineStart = byte === CR || byte === LF
    }
    flush()
    return keys
  }
}
