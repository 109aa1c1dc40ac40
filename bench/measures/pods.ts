import { rm, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { connectCluster } from '../../activities/adapters/kubernetes/cluster.ts'
import { LABELS, CONTAINER } from '../../activities/adapters/kubernetes/labels.ts'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { storeConfig } from '../../config/config.ts'
import { kubectlProgram } from '../../deploy/cluster/kubectl.ts'
import { kubectl } from '../../test/support/workloads.ts'
import type { Bench, Measure } from '../bench.ts'
import { figure, median, timed } from '../figure.ts'
import { makeFiles } from './archive.ts'

/** A compute as a pod, against the same pod made by kubectl, and against that pod with tar and zstd in it. */
export const pods: Measure = async (bench) => {
  const { client } = bench.visitor
  const rounds = bench.quick ? 3 : 10
  const created: number[] = []
  const bare: number[] = []
  for (let round = 0; round < rounds; round++) {
    let id = ''
    created.push(
      await timed(async () => {
        id = (await client.computes.create({ name: 'bench' }, { wait: 60 })).id
        await client.capture(id, { command: 'echo hello' })
      }),
    )
    const twin = await twinOf(bench, id)
    bare.push(await timed(twin.start))
    await twin.end()
    await client.computes.remove(id, { purge: true, wait: 60 })
  }
  return [
    figure('create → first command output, p50', median(created), 'ms', {
      value: median(bare),
      name: 'kubectl: the same pod Ready',
    }),
    ...(await wake(bench)),
  ]
}

const wake = async (bench: Bench) => {
  const { visitor, stack, quick } = bench
  const { client } = visitor
  const [files, mib, rounds] = quick ? [1_000, 100, 1] : [10_000, 1_024, 3]
  const wakes: number[] = []
  const floors: number[] = []
  const store = createS3Store(storeConfig(stack.env))
  const key = 'bench/twin'
  for (let round = 0; round < rounds; round++) {
    const { id } = await client.computes.create({ name: 'bench wake' }, { wait: 60 })
    await visitor.run(id, makeFiles(files, mib))
    const twin = await twinOf(bench, id)
    const archive = twin.archive()
    await store.put(key, archive, new AbortController().signal)
    await client.computes.hibernate(id, { wait: 60 })
    await visitor.until(id, 'hibernated', 300_000)
    wakes.push(
      await timed(async () => {
        await client.computes.wake(id, { wait: 60 })
        await visitor.until(id, 'running', 300_000)
      }),
    )
    await client.computes.remove(id, { purge: true, wait: 60 })
    floors.push(
      await timed(async () => {
        await twin.start()
        await twin.unpack(await store.get(key))
      }),
    )
    await twin.end()
  }
  await store.delete(key)
  return [
    figure(`wake ${mib} MiB in ${files} files`, median(wakes), 'ms', {
      value: median(floors),
      name: 'bare pod, S3 → zstd -d | tar x',
    }),
  ]
}

const UNZSTD = 'process.stdin.pipe(require("zlib").createZstdDecompress()).pipe(process.stdout)'
const ZSTD = 'process.stdin.pipe(require("zlib").createZstdCompress()).pipe(process.stdout)'

/** A pod of the same shape that is nobody’s compute, and so left alone. */
const twinOf = async ({ stack }: Bench, id: string) => {
  const { core } = connectCluster(stack.env['KUBECONFIG'])
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const labelSelector = `${LABELS.compute}=${id}`
  const { items } = await core.listNamespacedPod({ namespace, labelSelector })
  const [original] = items
  if (original?.spec === undefined) throw new Error(`compute ${id} has no pod`)
  const name = `twin-${id}`
  const { [LABELS.compute]: _, ...labels } = original.metadata?.labels ?? {}
  const { nodeName: __, ...spec } = original.spec
  const pod: V1Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels }, spec }
  const file = path.join(tmpdir(), `${name}.json`)
  await writeFile(file, JSON.stringify(pod))
  const program = await kubectlProgram()
  const inside = (pod: string, command: string) =>
    spawn(
      program,
      ['exec', '-i', '-n', namespace, pod, '-c', CONTAINER, '--', 'sh', '-c', command],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
  return {
    start: async () => {
      await kubectl(['create', '-f', file])
      await kubectl([
        'wait',
        '-n',
        namespace,
        '--for=condition=Ready',
        '--timeout=120s',
        `pod/${name}`,
      ])
    },
    archive: () =>
      inside(
        original.metadata?.name ?? '',
        `tar -c -C /home/user data | /.dormouse/node -e '${ZSTD}'`,
      ).stdout,
    unpack: async (archive: NodeJS.ReadableStream) => {
      const untar = inside(name, `/.dormouse/node -e '${UNZSTD}' | tar -x -C /home/user`)
      const ended = new Promise<number | null>((resolve) => untar.once('exit', resolve))
      await pipeline(archive, untar.stdin)
      if ((await ended) !== 0) throw new Error('the twin could not unpack the archive')
    },
    end: async () => {
      await kubectl(['delete', '-n', namespace, 'pod', name, '--grace-period=0', '--force'])
      await rm(file)
    },
  }
}
