import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { CliError, EXIT } from './exit-codes.ts'
import { harmless } from './output.ts'

export const ask = async (question: string): Promise<string> => {
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await prompt.question(harmless(question))).trim()
  } finally {
    prompt.close()
  }
}

/** Reads a line without showing it. Needs a terminal. */
export const askSecret = (question: string): Promise<string> => {
  const { stdin, stderr } = process
  if (!stdin.isTTY)
    throw new CliError(
      EXIT.usage,
      'There is no terminal to ask for a password on.',
      'Use --password-stdin, or set DORMOUSE_API_KEY.',
    )
  stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.resume()
  return new Promise((resolve, reject) => {
    let typed = ''
    const finish = (settle: () => void) => {
      stdin.off('data', onData)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      settle()
    }
    const onData = (chunk: string) => {
      for (const key of chunk) {
        if (key === '\r' || key === '\n' || key === '\u0004') return finish(() => resolve(typed))
        if (key === '\u0003') return finish(() => reject(new CliError(130, 'Cancelled.')))
        if (key === '\u0015') typed = ''
        else if (key === '\u007f' || key === '\b') typed = [...typed].slice(0, -1).join('')
        else if (key >= ' ') typed += key
      }
    }
    stdin.on('data', onData)
  })
}

export const secretFromStdin = async (): Promise<string> =>
  (await text(process.stdin)).replace(/\r?\n$/, '')

/** Yes only for y or yes. */
const confirm = async (question: string): Promise<boolean> =>
  /^y(es)?$/i.test(await ask(`${question} [y/N] `))

/** Asks on a terminal unless told `yes`; elsewhere whoever ran it has decided. Errors: CliError after a no. */
export const mustConfirm = async (
  question: string,
  yes: boolean | undefined,
  otherwise: string,
): Promise<void> => {
  if (!yes && process.stdin.isTTY && !(await confirm(question)))
    throw new CliError(EXIT.failure, otherwise)
}
