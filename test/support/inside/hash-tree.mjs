// Runs inside a compute: one SHA-256 over path, type, mode, size, mtime, content, link target and hard-link groups.
// usage: hash-tree.mjs FOLDER...   prints { hash, entries }
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'

const whole = createHash('sha256')
const firstPathOfInode = new Map()
let entries = 0

const content = (file, stat) => {
  const closed = (stat.mode & 0o400n) === 0n
  if (closed) fs.chmodSync(file, Number(stat.mode & 0o7777n) | 0o400)
  const hash = createHash('sha256')
  const fd = fs.openSync(file, 'r')
  const buffer = Buffer.alloc(1 << 20)
  for (let n; (n = fs.readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, n))
  fs.closeSync(fd)
  if (closed) fs.chmodSync(file, Number(stat.mode & 0o7777n))
  return hash.digest('hex')
}

const visit = (file) => {
  const stat = fs.lstatSync(file, { bigint: true })
  entries += 1
  const line = [file.toString('latin1'), stat.mode.toString(8)]
  if (stat.isSymbolicLink()) line.push(fs.readlinkSync(file, 'latin1'))
  else line.push(String(stat.mtimeNs / 1000n))
  if (stat.isFile()) {
    line.push(String(stat.size), content(file, stat))
    if (stat.nlink > 1n) {
      const first = firstPathOfInode.get(stat.ino) ?? file.toString('latin1')
      firstPathOfInode.set(stat.ino, first)
      line.push(first)
    }
  }
  whole.update(JSON.stringify(line) + '\n')
  if (process.env.LIST) console.error(JSON.stringify(line))
  if (!stat.isDirectory()) return
  const names = fs.readdirSync(file, { encoding: 'buffer' }).sort(Buffer.compare)
  for (const name of names) visit(Buffer.concat([file, Buffer.from('/'), name]))
}

for (const folder of process.argv.slice(2)) visit(Buffer.from(folder))
console.log(JSON.stringify({ hash: whole.digest('hex'), entries }))
