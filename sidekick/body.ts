import type { IncomingMessage } from 'node:http'
import { Failure } from './errors.ts'

/** The whole body as a JSON object. Errors: too_large over `maxBytes`, invalid. */
export const readJson = async (
  request: IncomingMessage,
  maxBytes = 256 * 1024,
): Promise<Readonly<Record<string, unknown>>> => {
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim()
  if (type !== 'application/json')
    throw new Failure('invalid', 'Send the body as application/json.')
  const text = (await readBytes(request, maxBytes)).toString('utf8')
  let value: unknown
  try {
    value = text === '' ? {} : JSON.parse(text)
  } catch {
    throw new Failure('invalid', 'The body is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure('invalid', 'The body must be a JSON object.')
  return value as Record<string, unknown>
}

/** Errors: too_large over `maxBytes`. */
export const readBytes = async (request: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  // Ending the loop early must not cut the connection: the refusal has to get through.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > maxBytes)
      throw new Failure('too_large', `The body is over ${maxBytes} bytes; send less at once.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

type Body = Readonly<Record<string, unknown>>

/** Fields of a JSON body. Errors: invalid, naming the field. */
export const stringField = (body: Body, name: string): string => {
  const value = body[name]
  if (typeof value !== 'string') throw new Failure('invalid', `\`${name}\` must be a string.`)
  return value
}
export const optionalString = (body: Body, name: string): string | undefined =>
  body[name] === undefined ? undefined : stringField(body, name)

export const wholeField = (body: Body, name: string): number => {
  const value = body[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Failure('invalid', `\`${name}\` must be a whole number, 0 or more.`)
  return value
}
export const optionalWhole = (body: Body, name: string): number | undefined =>
  body[name] === undefined ? undefined : wholeField(body, name)

export const flagField = (body: Body, name: string): boolean => {
  const value = body[name] ?? false
  if (typeof value !== 'boolean') throw new Failure('invalid', `\`${name}\` must be true or false.`)
  return value
}

/** String to string, e.g. environment variables; names and values without NUL. */
export const stringMap = (body: Body, name: string): Readonly<Record<string, string>> => {
  const value = body[name] ?? {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure('invalid', `\`${name}\` must be an object of strings.`)
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string' || text.includes('\0') || !/^[^=\0]+$/.test(key))
      throw new Failure('invalid', `\`${name}.${key}\` must be a string, and its name without "=".`)
  return { ...(value as Record<string, string>) }
}

/** A whole number of the query string within bounds; undefined when absent. Errors: invalid. */
export const queryWhole = (
  query: ReadonlyMap<string, string>,
  name: string,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): number | undefined => {
  const text = query.get(name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d{1,16}$/.test(text) || value < min || value > max)
    throw new Failure('invalid', `\`${name}\` must be a whole number from ${min} to ${max}.`)
  return value
}
