import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { storeConfig } from '../../config/config.ts'
import type { Bench, Measure } from '../bench.ts'
import { figure, median, timed } from '../figure.ts'

/**
 * Save and restore of a whole filesystem, against `tar | zstd` to the same store. In turn, and each
 * begins with nothing left to write on the disk: what one left behind slows down the next.
 */
export const archive: Measure = async (bench) => {
  const { visitor, quick } = bench
  const files = quick ? 1_000 : 10_000
  const mib = quick ? 100 : 1_024
  const rounds = quick ? 1 : 3
  const { client } = visitor
  const make = makeFiles(files, mib)
  const floor = await startFloor(bench, make)
  const times: Record<'save' | 'restore' | 'floorSave' | 'floorRestore', number[]> = {
    ...{ save: [], restore: [], floorSave: [], floorRestore: [] },
  }
  const measure = async (what: keyof typeof times, work: () => Promise<unknown>) => {
    await shell('sync', '/')
    times[what].push(await timed(work))
  }
  for (let round = 0; round < rounds; round++) {
    const { id } = await client.computes.create({ name: 'bench archive' }, { wait: 60 })
    await visitor.run(id, make)
    await measure('floorSave', floor.save)
    await measure('save', () => client.computes.hibernate(id, { wait: 60 }))
    await visitor.until(id, 'hibernated', 120_000)
    await measure('floorRestore', floor.restore)
    await measure('restore', () => client.computes.wake(id, { wait: 60 }))
    await visitor.until(id, 'running', 120_000)
    await client.computes.remove(id, { purge: true, wait: 60 })
    await floor.clean()
  }
  await floor.end()
  const empty = await client.computes.create({ name: 'bench empty' }, { wait: 60 })
  const wakes: number[] = []
  for (let round = 0; round < (quick ? 3 : 10); round++) {
    await client.computes.hibernate(empty.id, { wait: 60 })
    wakes.push(await timed(() => client.computes.wake(empty.id, { wait: 60 })))
  }
  await client.computes.remove(empty.id, { purge: true, wait: 60 })
  const what = `${mib} MiB in ${files} files`
  return [
    figure(`hibernate ${what}`, median(times.save), 'ms', {
      value: median(times.floorSave),
      name: 'tar | zstd → S3',
    }),
    figure(`wake ${what}`, median(times.restore), 'ms', {
      value: median(times.floorRestore),
      name: 'S3 → zstd -d | tar x',
    }),
    figure('wake of an empty compute, p50', median(wakes), 'ms'),
  ]
}

/** Half random, half text: neither a best nor a worst case for zstd. */
export const makeFiles = (files: number, mib: number): string => {
  const each = Math.floor((mib * 1024 * 1024) / files / 2)
  return `mkdir -p data && cd data && for d in $(seq 100); do mkdir -p $d; done && /.dormouse/node -e "
    const fs=require('fs'),c=require('crypto');const text='the quick brown dormouse sleeps ';
    for(let n=0;n<${files};n++)fs.writeFileSync((n%100+1)+'/f'+n,Buffer.concat([c.randomBytes(${each}),Buffer.from(text.repeat(Math.ceil(${each}/text.length))).subarray(0,${each})]))"`
}

const startFloor = async ({ stack }: Bench, make: string) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-floor-'))
  const into = path.join(dir, 'restored')
  const store = createS3Store(storeConfig(stack.env))
  const node = stack.env['DORMOUSE_SIDEKICK_NODE'] ?? 'node'
  const never = new AbortController().signal
  const key = 'bench/floor'
  await shell(make.replaceAll('/.dormouse/node', node), dir)
  return {
    async save() {
      const tar = spawn('sh', ['-c', 'tar -c data | zstd -q -1'], { cwd: dir })
      await store.put(key, tar.stdout, never)
    },
    async restore() {
      await mkdir(into)
      const tar = spawn('sh', ['-c', 'zstd -q -d | tar -x'], { cwd: into })
      const done = new Promise((resolve) => tar.once('exit', resolve))
      ;(await store.get(key)).pipe(tar.stdin)
      await done
    },
    async clean() {
      await rm(into, { recursive: true, force: true })
      await store.delete(key)
    },
    async end() {
      await rm(dir, { recursive: true, force: true })
      store.close()
    },
  }
}

const shell = (command: string, cwd: string): Promise<void> =>
  new Promise((resolve, reject) => {
    spawn('sh', ['-c', command], { cwd, stdio: ['ignore', 'ignore', 'inherit'] }).once(
      'exit',
      (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`))),
    )
  })
