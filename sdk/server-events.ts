import type { Http } from './http.ts'
import { linesOf } from './lines.ts'
import { isProblem } from './problem.ts'

export interface ServerEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/**
 * Server-sent events over fetch, so that the token travels as a header and never in a URL. A stream
 * that drops is taken up again after the last id; refusals (4xx) are thrown. Ends with `signal`.
 */
export const serverEvents = async function* (
  http: Http,
  path: string,
  options: {
    readonly after?: string | undefined
    readonly signal: AbortSignal
    readonly onDrop?: () => void
    readonly onOpen?: () => void
  },
): AsyncGenerator<ServerEvent, void, undefined> {
  let last = options.after
  let pauseMs = FIRST_PAUSE_MS
  while (!options.signal.aborted) {
    try {
      const response = await http.send('GET', path, {
        headers: {
          accept: 'text/event-stream',
          ...(last === undefined ? {} : { 'last-event-id': last }),
        },
        signal: options.signal,
      })
      if (response.body === null) return
      options.onOpen?.()
      for await (const event of parseServerEvents(response.body)) {
        pauseMs = FIRST_PAUSE_MS
        if (event.id !== '') last = event.id
        yield event
      }
    } catch (error) {
      if (options.signal.aborted) return
      if (isProblem(error) && error.status >= 400 && error.status < 500 && error.status !== 429)
        throw error
    }
    options.onDrop?.()
    await pause(pauseMs * (0.5 + Math.random()), options.signal)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000

export const parseServerEvents = async function* (
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerEvent, void, undefined> {
  let id = ''
  let event = 'message'
  let data: string[] = []
  for await (const line of linesOf(stream)) {
    if (line === '') {
      if (data.length > 0) yield { id, event, data: data.join('\n') }
      event = 'message'
      data = []
      continue
    }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id') id = value
    else if (field === 'event') event = value
    else if (field === 'data') data.push(value)
  }
}

export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    if (signal?.aborted) done()
  })
