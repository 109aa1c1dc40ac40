/** `node slim-installed.ts FOLDER`: for build.Dockerfile, on its own node_modules. */
import path from 'node:path'
import { slim } from './slim.ts'

const [, , folder] = process.argv
if (folder === undefined) throw new Error('usage: slim-installed.ts FOLDER')
await slim(path.resolve(folder))
