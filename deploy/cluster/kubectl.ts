import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { runTool } from '../local/run-tool.ts'
import { programsDir } from './binaries.ts'

/** The project's own kubectl; another one on PATH may belong to a cloud's tools, or be missing. */
export const kubectl = (kubeconfig: string, args: readonly string[]): Promise<string> =>
  runTool(path.join(programsDir(), 'kubectl'), ['--kubeconfig', kubeconfig, ...args])

/** Creates or updates `objects`, whoever made them before. */
export const apply = async (kubeconfig: string, objects: readonly unknown[]): Promise<void> => {
  const args = ['--kubeconfig', kubeconfig, 'apply', '--server-side', '--force-conflicts']
  const child = spawn(path.join(programsDir(), 'kubectl'), [...args, '-f', '-'], {
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
