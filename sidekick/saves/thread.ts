/** Entry of the save thread: takes one task after another from the sidekick (see save-thread.ts). */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { errno, Failure } from '../errors.ts'
import { writeArchive, type ArchiveJob } from './archive.ts'
import { ChunkReceiver, ChunkSender } from './chunk-channel.ts'
import { lookForChanges } from './dirty.ts'
import { restorePart } from './restore.ts'
import { scanTrees } from './scan.ts'
import type {
  ArchiveReport,
  FromThread,
  Task,
  TaskError,
  TaskResults,
  ToThread,
} from './thread-messages.ts'

const post = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, [...transfer])

const newSender = (): ChunkSender =>
  new ChunkSender((bytes) => post({ type: 'chunk', bytes }, [bytes.buffer]))
const newReceiver = (): ChunkReceiver => new ChunkReceiver(() => post({ type: 'taken' }))

let sender = newSender()
let receiver = newReceiver()

parentPort?.on('message', (message: ToThread) => {
  if (message.type === 'chunk') receiver.push(message.bytes)
  else if (message.type === 'end') receiver.end()
  else if (message.type === 'taken') sender.taken()
  else {
    sender = newSender()
    receiver = newReceiver()
    perform(message.task).then(
      (result) => post({ type: 'done', result }),
      (error: unknown) => post({ type: 'failed', error: described(error) }),
    )
  }
})

const perform = async (task: Task): Promise<TaskResults[Task['kind']]> => {
  switch (task.kind) {
    case 'archive':
      return archive(task.job)
    case 'restore':
      return restorePart(task.job, receiver)
    case 'scan':
      return scanTrees(task.job).index
    case 'dirty':
      return lookForChanges(task.job)
  }
}

const archive = async (job: ArchiveJob): Promise<ArchiveReport> => {
  const hash = createHash('sha256')
  let bytes = 0
  const { index, entries } = await writeArchive(job, {
    begin: (kind) => post({ type: 'begin', kind }),
    write: async (chunk) => {
      hash.update(chunk)
      bytes += chunk.length
      await sender.send(chunk)
    },
  })
  return { index, entries, bytes, sha256: hash.digest('hex') }
}

const described = (error: unknown): TaskError => ({
  ...(error instanceof Failure && { code: error.code, details: error.details }),
  errno: errno(error),
  message: error instanceof Error ? error.message : String(error),
})
