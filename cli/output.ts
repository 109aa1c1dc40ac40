/** Standard output is for what was asked; everything else goes to standard error. */
export const print = (text: string): void => void process.stdout.write(`${harmless(text)}\n`)
export const tell = (text: string): void => void process.stderr.write(`${harmless(text)}\n`)
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue'
const CODES: Record<Style, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
}

/** Control characters, and what turns the direction of text. */
const UNFIT = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu
const OWN_STYLES = Object.values(CODES).flat().join('|')
const UNFIT_BUT_OURS = new RegExp(`\\u001b\\[(?:${OWN_STYLES})m|${UNFIT.source}`, 'gu')

/** A name or other text that somebody else wrote, within a line: what a terminal would act on as `\u001b`. */
export const shown = (text: string): string => text.replace(UNFIT, written)

/** Text of ours that may hold such words: lines and the styles of this file stay. */
export const harmless = (text: string): string =>
  text.replace(UNFIT_BUT_OURS, (found) =>
    found.length > 1 || found === '\n' || found === '\t' ? found : written(found),
  )

// As in JSON, which stays JSON.
const written = (sign: string): string => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`

export const styled = (
  style: Style,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string => {
  const plain = !stream.isTTY || (process.env['NO_COLOR'] ?? '') !== ''
  const [on, off] = CODES[style]
  return plain ? text : `\u001b[${on}m${text}\u001b[${off}m`
}

const STATE_STYLES: Readonly<Record<string, Style>> = {
  running: 'green',
  hibernated: 'blue',
  failed: 'red',
  terminated: 'dim',
}

export const styledState = (state: string): string => styled(STATE_STYLES[state] ?? 'yellow', state)
