import { readProblem, unreachable } from './problem.ts'

/** Where tokens come from. `renew` runs once after a 401; true means the token changed. */
export interface Auth {
  token(): Promise<string | undefined>
  renew(): Promise<boolean>
}

export const noAuth: Auth = { token: async () => undefined, renew: async () => false }

/** A token that never changes, such as an API key. */
export const staticToken = (token: string): Auth => ({
  token: async () => token,
  renew: async () => false,
})

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly json?: unknown
  /** Raw body; a stream is sent once and so never retried after a 401. */
  readonly body?: Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

export interface Http {
  readonly origin: string
  readonly auth: Auth
  /** The response of a success; throws Problem otherwise. */
  send(method: string, path: string, options?: RequestOptions): Promise<Response>
  json<T>(method: string, path: string, options?: RequestOptions): Promise<T>
}

export const openHttp = (
  origin: string,
  auth: Auth,
  fetcher: typeof fetch = globalThis.fetch.bind(globalThis),
  everyHeader: Readonly<Record<string, string>> = {},
): Http => {
  const once = async (method: string, url: URL, options: RequestOptions): Promise<Response> => {
    const token = await auth.token()
    const streamed = options.body instanceof ReadableStream
    const body = options.json !== undefined ? JSON.stringify(options.json) : options.body
    try {
      return await fetcher(url, {
        method,
        redirect: 'manual',
        headers: {
          ...everyHeader,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(streamed || options.body ? { 'content-type': 'application/octet-stream' } : {}),
          ...options.headers,
        },
        ...(body === undefined ? {} : { body }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(streamed ? { duplex: 'half' } : {}),
      } as RequestInit)
    } catch (error) {
      if (options.signal?.aborted) throw error
      throw unreachable(url.origin, error)
    }
  }
  const send: Http['send'] = async (method, path, options = {}) => {
    const url = withQuery(new URL(path, origin), options.query)
    let response = await once(method, url, options)
    const repeatable = !(options.body instanceof ReadableStream)
    if (response.status === 401 && repeatable && (await auth.renew())) {
      await response.body?.cancel()
      response = await once(method, url, options)
    }
    if (!response.ok) throw await readProblem(response)
    return response
  }
  return {
    origin,
    auth,
    send,
    json: async <T>(method: string, path: string, options?: RequestOptions) => {
      const response = await send(method, path, options)
      return (response.status === 204 ? undefined : await response.json()) as T
    },
  }
}

const withQuery = (url: URL, query: RequestOptions['query'] = {}): URL => {
  for (const [key, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(key, String(value))
  return url
}
