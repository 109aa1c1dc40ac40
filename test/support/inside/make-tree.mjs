// Runs inside a compute: fills a folder with every kind of file a filesystem must give back.
// usage: make-tree.mjs FOLDER SEED SMALL_FILES CONTIGUOUS_MIB
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'

const [folder, seed, smallFiles, contiguousMib] = process.argv.slice(2)
const at = (...names) => path.join(folder, ...names)
const bytes = (name, size) => {
  const block = createHash('sha512').update(`${seed}:${name}`).digest()
  const out = Buffer.alloc(size)
  for (let offset = 0; offset < size; offset += block.length) {
    block.writeUInt32LE((offset / block.length) >>> 0, 0)
    block.copy(out, offset)
  }
  return out
}
fs.mkdirSync(folder, { recursive: true })
const MIB = 1024 * 1024
fs.writeFileSync(at('contiguous'), bytes('contiguous', Number(contiguousMib) * MIB))

// scattered writes into a file with holes, zero ranges and a truncation
const scattered = fs.openSync(at('scattered'), 'w')
for (let stride = 0; stride < 4; stride++)
  fs.writeSync(scattered, bytes(`s${stride}`, 4096), 0, 4096, stride * 8 * MIB)
fs.ftruncateSync(scattered, 25 * MIB)
fs.closeSync(scattered)

fs.mkdirSync(at('many'), { recursive: true })
for (let n = 0; n < Number(smallFiles); n++) {
  const dir = at('many', String(n % 100))
  if (n < 100) fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(path.join(dir, `f${n}`), bytes(`f${n}`, (n * 37) % 600))
}
const deep = at(...Array.from({ length: 40 }, (_, n) => `deep-folder-${n}`))
fs.mkdirSync(deep, { recursive: true })
fs.writeFileSync(path.join(deep, 'end'), seed)

fs.mkdirSync(at('odd'), { recursive: true })
for (const name of [
  'with space',
  'new\nline',
  'ünïcödé',
  '日本語',
  '-dash',
  '*star',
  'tab\there',
  'x'.repeat(255),
])
  fs.writeFileSync(at('odd', name), `${name} ${seed}`)
fs.writeFileSync(
  Buffer.concat([Buffer.from(`${at('odd')}/`), Buffer.from([0xff, 0xfe, 0x41])]),
  `bytes ${seed}`,
)

const replace = (make, target) => {
  fs.rmSync(target, { force: true })
  make()
}
replace(() => fs.symlinkSync('contiguous', at('link-file')), at('link-file'))
replace(() => fs.symlinkSync('/nowhere/at all', at('link-dangling')), at('link-dangling'))
replace(() => fs.symlinkSync('../..', at('link-up')), at('link-up'))
fs.writeFileSync(at('hard-a'), `hard ${seed}`)
replace(() => fs.linkSync(at('hard-a'), at('odd', 'hard-b')), at('odd', 'hard-b'))

fs.rmSync(at('closed'), { force: true })
fs.writeFileSync(at('closed'), `closed ${seed}`)
fs.chmodSync(at('closed'), 0)
fs.writeFileSync(at('runs'), '#!/bin/sh\n', { mode: 0o755 })
if (fs.existsSync(at('read-only'))) fs.chmodSync(at('read-only'), 0o755)
fs.mkdirSync(at('read-only'), { recursive: true })
fs.writeFileSync(at('read-only', 'inside'), seed)
fs.chmodSync(at('read-only'), 0o555)
fs.utimesSync(at('runs'), 1_000_000_000.25, 1_000_000_000.25)
fs.mkdirSync(at('empty'), { recursive: true })
console.log('made')
