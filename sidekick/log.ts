/** One JSON line per event on standard output. Never a header, a body, a path of the user or a value of env. */
export const log = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`)
}
