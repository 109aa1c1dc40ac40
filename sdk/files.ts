import type { FileEntry } from '../sidekick/protocol.ts'
import type { Http } from './http.ts'

/** Files of one compute; paths as in sidekick/protocol.ts. */
export const filesOf = (gateway: Http, computeId: string) => {
  const base = `/compute/${computeId}/files`
  return {
    list: (path: string) => gateway.json<readonly FileEntry[]>('GET', base, { query: { path } }),
    stat: (path: string) => gateway.json<FileEntry>('GET', `${base}/stat`, { query: { path } }),
    read: async (path: string): Promise<ReadableStream<Uint8Array>> => {
      const response = await gateway.send('GET', `${base}/content`, { query: { path } })
      return response.body ?? new Blob([]).stream()
    },
    readText: async (path: string): Promise<string> => {
      const response = await gateway.send('GET', `${base}/content`, { query: { path } })
      return response.text()
    },
    /** Replaces the file at once when all bytes are there; makes parent folders. */
    write: (
      path: string,
      body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string,
      options: { readonly mode?: number } = {},
    ) =>
      gateway.json<FileEntry>('PUT', `${base}/content`, {
        query: { path, mode: options.mode?.toString(8) },
        body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
      }),
    makeFolder: (path: string) =>
      gateway.send('POST', `${base}/mkdir`, { json: { path } }).then(() => undefined),
    remove: (path: string, options: { readonly recursive?: boolean } = {}) =>
      gateway
        .send('DELETE', base, { query: { path, recursive: options.recursive ? 1 : undefined } })
        .then(() => undefined),
  }
}
