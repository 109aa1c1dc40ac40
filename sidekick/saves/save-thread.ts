import { Worker } from 'node:worker_threads'
import { Failure } from '../errors.ts'
import { log } from '../log.ts'
import { ChunkReceiver, ChunkSender } from './chunk-channel.ts'
import type { FromThread, Task, TaskError, TaskResults, ToThread } from './thread-messages.ts'

/** Beside this file while developing, beside the bundle when shipped. */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './thread.ts' : './saves-thread.mjs',
  import.meta.url,
)

export interface Running<K extends Task['kind']> {
  readonly result: Promise<TaskResults[K]>
  /** Of an archive: its kind, before the first byte. Rejects when the task fails before. */
  readonly begun: Promise<'full' | 'delta'>
  /** Of an archive: the compressed stream; ends once `result` is settled. */
  readonly output: AsyncIterable<Buffer>
  /** Of a restore. */
  send(bytes: Uint8Array): Promise<void>
  end(): void
  /** Stops it wherever it is; `result` rejects with `reason` once nothing of it runs any more. */
  abort(reason: Error): void
}

/**
 * The one thread that reads and writes trees, so that terminals never wait for a disk. Started at
 * the first task, kept for the next, thrown away with a task that is aborted.
 */
export class SaveThread {
  #worker: Worker | null = null
  #listener: Listener | null = null

  /** One at a time. Errors: wrong_state. */
  run<K extends Task['kind']>(task: Task & { kind: K }): Running<K> {
    if (this.#listener) throw new Failure('wrong_state', 'Another save or restore is under way.')
    const worker = (this.#worker ??= this.#start())
    const post = (message: ToThread, transfer: readonly ArrayBuffer[] = []): void =>
      worker.postMessage(message, [...transfer])
    const sender = new ChunkSender((bytes) => post({ type: 'chunk', bytes }, [bytes.buffer]))
    const output = new ChunkReceiver(() => post({ type: 'taken' }))
    const begun = deferred<'full' | 'delta'>()
    const result = deferred<TaskResults[K]>()
    let abortedFor: Error | null = null

    const abort = (reason: Error): void => {
      if (this.#listener !== listener || abortedFor) return
      abortedFor = reason
      // It fails when the thread has ended, not before: until then it may use the job's files.
      void worker.terminate()
    }
    const listener: Listener = {
      message: (message) => {
        if (message.type === 'chunk') output.push(message.bytes)
        else if (message.type === 'taken') sender.taken()
        else if (message.type === 'begin') begun.resolve(message.kind)
        else if (message.type === 'failed') abort(revived(message.error))
        else {
          this.#listener = null
          worker.unref()
          result.resolve(message.result as TaskResults[K])
          output.end()
        }
      },
      fail: (error) => {
        this.#listener = null
        const reason = abortedFor ?? error
        begun.reject(reason)
        result.reject(reason)
        output.fail(reason)
      },
    }
    this.#listener = listener
    worker.ref()
    post({ type: 'task', task })
    return {
      result: result.promise,
      begun: begun.promise,
      output,
      send: (bytes) => sender.send(bytes),
      end: () => post({ type: 'end' }),
      abort,
    }
  }

  #start(): Worker {
    const worker = new Worker(ENTRY)
    worker.on('message', (message: FromThread) => this.#listener?.message(message))
    worker.on('error', (error) => log('save thread failed', { error: String(error) }))
    worker.on('exit', () => {
      this.#worker = null
      this.#listener?.fail(new Error('the save thread ended'))
    })
    return worker
  }
}

interface Listener {
  message(message: FromThread): void
  fail(error: Error): void
}

const revived = ({ code, errno, message, details }: TaskError): Error =>
  code
    ? new Failure(code, message, details && { ...details })
    : Object.assign(new Error(message), { code: errno })

const deferred = <T>() => {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch(() => {}) // whoever needs it awaits it; an abort must not end the sidekick
  return { promise, resolve, reject }
}
