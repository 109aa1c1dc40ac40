/** What `build.Dockerfile` makes, from this checkout as it is built: dist/ and the packages that run. */
import { cp, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'
import { slim } from './slim.ts'

/** Fills `app` with dist/, node_modules/ and package.json of the checkout at `root`. */
export const stageBuild = async (
  root: string,
  app: string,
  say: (text: string) => void,
): Promise<void> => {
  say('the built checkout and its packages')
  await mkdir(app, { recursive: true })
  await cp(path.join(root, 'package.json'), path.join(app, 'package.json'))
  await cp(path.join(root, 'dist'), path.join(app, 'dist'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.map'),
  })
  for (const folder of await packagesThatRun(root))
    await cp(path.join(root, folder), path.join(app, folder), {
      recursive: true,
      verbatimSymlinks: true,
      // A package's own packages are on the list themselves.
      filter: (source) => !source.slice(path.join(root, folder).length).includes('node_modules'),
    })
  await slim(path.join(app, 'node_modules'))
}

/** Relative folders of every package that is not for development alone. */
const packagesThatRun = async (root: string): Promise<readonly string[]> => {
  const listed = await runTool('npm', ['ls', '--all', '--parseable', '--omit=dev'], { cwd: root })
  return listed
    .split('\n')
    .filter((line) => line.startsWith(path.join(root, 'node_modules')))
    .map((line) => path.relative(root, line))
}
