/** Standard output is for what was asked; everything else goes to standard error. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`)
export const tell = (text: string): void => void process.stderr.write(`${text}\n`)
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
