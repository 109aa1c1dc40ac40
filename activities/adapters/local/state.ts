/**
 * What the local runtime knows, all of it in files that appear whole or not at all:
 *
 *   <stateDir>/computes/<id>/tree/{home,env}        the writable tree, across generations
 *   <stateDir>/computes/<id>/tree.json              TreeRecord
 *   <stateDir>/computes/<id>/<generation>/run/      the sidekick's socket
 *   <stateDir>/computes/<id>/<generation>/tmp/      scratch, gone with the generation
 *   <stateDir>/computes/<id>/<generation>/sandbox.json   SandboxRecord
 *   <stateDir>/trash/                               being deleted
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ProcessId } from './processes.ts'

export interface TreeRecord {
  /** Last generation that had this tree. */
  readonly generation: number
  /** Holds everything a snapshot should hold. */
  readonly complete: boolean
  readonly groupId: string
  readonly createdAtMs: number
}

export interface SandboxRecord extends ProcessId {
  readonly generation: number
  readonly groupId: string
  readonly createdAtMs: number
  readonly tree: 'fresh' | 'kept'
  readonly limits: 'enforced' | 'watched'
  readonly memoryBytes: number
  readonly pids: number
}

/** Written by the watchdog when it had to end a process. */
export interface OutOfMemoryRecord {
  readonly atMs: number
  readonly process: string
}

export const statePaths = (stateDir: string) => {
  const compute = (computeId: string): string => path.join(stateDir, 'computes', computeId)
  const generation = (computeId: string, number: number): string =>
    path.join(compute(computeId), String(number))
  return {
    computes: path.join(stateDir, 'computes'),
    trash: path.join(stateDir, 'trash'),
    compute,
    tree: (computeId: string) => path.join(compute(computeId), 'tree'),
    treeRecord: (computeId: string) => path.join(compute(computeId), 'tree.json'),
    generation,
    run: (computeId: string, number: number) => path.join(generation(computeId, number), 'run'),
    socket: (computeId: string, number: number) =>
      path.join(generation(computeId, number), 'run', 'sidekick.sock'),
    sandboxRecord: (computeId: string, number: number) =>
      path.join(generation(computeId, number), 'sandbox.json'),
    outOfMemory: (computeId: string, number: number) =>
      path.join(generation(computeId, number), 'out-of-memory.json'),
  }
}
export type StatePaths = ReturnType<typeof statePaths>

/** Undefined when the file is absent; anything else that goes wrong is not absence and throws. */
export const readRecord = async <T>(file: string): Promise<T | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export const writeRecord = async <T>(file: string, record: T): Promise<void> => {
  const draft = `${file}.${randomBytes(4).toString('hex')}.draft`
  await writeFile(draft, JSON.stringify(record), { mode: 0o600 })
  await rename(draft, file)
}

export const listFolder = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Gone from its place at once; its bytes go while nobody waits. */
export const discard = async (paths: StatePaths, target: string): Promise<void> => {
  await mkdir(paths.trash, { recursive: true, mode: 0o700 })
  const grave = path.join(paths.trash, randomBytes(8).toString('hex'))
  try {
    await rename(target, grave)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  // What stays behind when this fails or the process ends is taken by emptyTrash at the next start.
  void removeTree(grave).catch(() => undefined)
}

export const emptyTrash = async (paths: StatePaths): Promise<void> => {
  for (const name of await listFolder(paths.trash)) await removeTree(path.join(paths.trash, name))
}

const removeTree = async (folder: string): Promise<void> => {
  try {
    await rm(folder, { recursive: true, force: true })
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    // Folders their owner locked himself out of.
    await chmod(folder, 0o700)
    await promisify(execFile)('chmod', ['-R', 'u+rwX', folder])
    await rm(folder, { recursive: true, force: true })
  }
}
