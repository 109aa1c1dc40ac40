import { describe, expect, it } from 'vitest'
import { parseServerEvents, type ServerEvent } from './server-events.ts'

const parse = async (...pieces: string[]): Promise<ServerEvent[]> => {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
      controller.close()
    },
  })
  const events: ServerEvent[] = []
  for await (const event of parseServerEvents(stream)) events.push(event)
  return events
}

describe('server-sent events', () => {
  it('are read from any pieces, with ids, names and data of several lines', async () => {
    expect(
      await parse('id: 1\nevent: a\nda', 'ta: x\ndata: y\n\n: ping\n\nid: 2\r\ndata:z\r\n', '\r\n'),
    ).toEqual([
      { id: '1', event: 'a', data: 'x\ny' },
      { id: '2', event: 'message', data: 'z' },
    ])
  })

  it('cut off in the middle are not given', async () => {
    expect(await parse('id: 1\ndata: whole\n\nid: 2\ndata: ha')).toHaveLength(1)
  })
})
