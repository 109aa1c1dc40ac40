import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { isExecutable, onPath } from '../local/cache.ts'
import { runTool } from '../local/run-tool.ts'
import { binaryOf } from './binaries.ts'

/** The project's own; where no cluster was built here, the one on PATH, which may be a cloud's. */
export const kubectlProgram = async (): Promise<string> => {
  const ours = binaryOf('kubectl')
  const program = (await isExecutable(ours)) ? ours : await onPath('kubectl')
  if (program === undefined)
    throw new Error('there is no kubectl on PATH (https://kubernetes.io/docs/tasks/tools)')
  return program
}

export const kubectl = async (kubeconfig: string, args: readonly string[]): Promise<string> =>
  runTool(await kubectlProgram(), ['--kubeconfig', kubeconfig, ...args])

/** Creates or updates `objects`, whoever made them before. */
export const apply = async (kubeconfig: string, objects: readonly unknown[]): Promise<void> => {
  const args = ['--kubeconfig', kubeconfig, 'apply', '--server-side', '--force-conflicts']
  const child = spawn(await kubectlProgram(), [...args, '-f', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  child.stdin.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  const [code, said] = await Promise.all([ended, text(child.stderr)])
  if (code !== 0) throw new Error(`kubectl apply: ${said.trim()}`)
}
