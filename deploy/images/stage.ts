/** What `build.Dockerfile` leaves in /app, from this checkout as it is built. */
import { cp, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'
import { slim } from './slim.ts'

/** Of dist/, relative paths: everything but the sidekick, which has an image of its own. */
export const isOfServices = (file: string): boolean =>
  file !== 'sidekick' && !file.startsWith('sidekick/') && file !== '.hash'

/** `<app>/dist` and `<app>/package.json` */
export const stageDist = async (root: string, app: string): Promise<void> => {
  const dist = path.join(root, 'dist')
  await cp(dist, path.join(app, 'dist'), {
    recursive: true,
    filter: (source) => isOfServices(path.relative(dist, source)),
  })
  await cp(path.join(root, 'package.json'), path.join(app, 'package.json'))
}

/** `<app>/node_modules`, without what is for development alone. */
export const stagePackages = async (root: string, app: string): Promise<void> => {
  const listed = await runTool('npm', ['ls', '--all', '--parseable', '--omit=dev'], { cwd: root })
  const folders = topmost(
    listed
      .split('\n')
      .filter((line) => line.startsWith(path.join(root, 'node_modules')))
      .map((line) => path.relative(root, line)),
  )
  for (const folder of folders) {
    const to = path.join(app, path.dirname(folder))
    await mkdir(to, { recursive: true })
    const copy = (how: string): Promise<string> => runTool('cp', [how, path.join(root, folder), to])
    // Hard links where they can be: nothing is written to, only taken away.
    await copy('-al').catch(() => copy('-a'))
  }
  await slim(path.join(app, 'node_modules'))
}

/** A package's own packages come with it. */
export const topmost = (folders: readonly string[]): readonly string[] => {
  const all = new Set(folders)
  return folders.filter((folder) => {
    for (let at = path.dirname(folder); at !== '.'; at = path.dirname(at))
      if (all.has(at)) return false
    return true
  })
}
