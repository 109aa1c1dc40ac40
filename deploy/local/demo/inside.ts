/** Programs the demo puts into a compute; they run on its own Node. */

/** One SHA-256 over the sorted paths, types, modes, sizes, contents and link targets below the folders. */
export const HASH_TREE = `
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
const whole = createHash('sha256')
let files = 0
let bytes = 0
const visit = (path) => {
  const stat = lstatSync(path)
  whole.update(JSON.stringify([path, stat.mode]))
  if (stat.isSymbolicLink()) whole.update(readlinkSync(path))
  if (stat.isFile()) {
    const content = readFileSync(path)
    files += 1
    bytes += content.length
    whole.update(JSON.stringify(content.length)).update(content)
  }
  if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(path + '/' + name)
}
process.argv.slice(2).forEach(visit)
console.log(JSON.stringify({ hash: whole.digest('hex'), files, bytes }))
`

/** A program that needs the tree it lies beside: renders a page with its React. */
export const PROGRAM = `
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
const rows = [1, 2, 3].map((n) => createElement('li', { key: n }, n * n))
console.log(renderToStaticMarkup(createElement('ul', null, rows)))
`
export const PROGRAM_PRINTS = '<ul><li>1</li><li>4</li><li>9</li></ul>'

/** A package of our own, so that installing it needs no network. */
export const PACKAGE_FILES: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    name: 'dormouse-greeter',
    version: '1.0.0',
    bin: { 'dormouse-greeter': 'greet.js' },
  }),
  'greet.js': "#!/usr/bin/env node\nconsole.log('greetings from ' + __dirname)\n",
}
