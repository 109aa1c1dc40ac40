/** Real disks of a few MiB for pods of this machine's node, as a StorageClass of their own. */
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { apply } from '../../deploy/cluster/kubectl.ts'
import { runTool } from '../../deploy/local/run-tool.ts'
import { newId } from '../../records/ids.ts'
import { kubectl } from './workloads.ts'

export interface SizedVolumes {
  readonly storageClass: string
  /** Further disks; each serves one pod, once. */
  add(count: number, sizeMib: number): Promise<void>
  /** What of the disks is mounted into no pod any more goes, too. */
  end(): Promise<void>
}

/** They say they are as large as the largest tier wants: what fills up is what is there. */
const CLAIMED = '1Ti'

/** By default a small one gives a tenth of its room to inodes and journal. */
const AS_ON_A_LARGE_DISK = ['-b', '4096', '-i', '16384', '-m', '0', '-O', '^has_journal']

export const makeSizedVolumes = async (): Promise<SizedVolumes> => {
  const storageClass = `suite-${newId()}`
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-disks-'))
  const kubeconfig = process.env['KUBECONFIG'] ?? ''
  const node = await kubectl(['get', 'nodes', '--output', 'jsonpath={.items[0].metadata.name}'])
  const mounted: string[] = []
  const labels = { suite: storageClass }
  await apply(kubeconfig, [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: storageClass, labels },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
  ])

  const disk = async (name: string, sizeMib: number): Promise<string> => {
    const [image, folder] = [path.join(dir, `${name}.img`), path.join(dir, name)]
    await writeFile(image, '')
    await truncate(image, sizeMib * 2 ** 20)
    await runTool('mkfs.ext4', ['-q', ...AS_ON_A_LARGE_DISK, image])
    await mkdir(folder)
    await runTool('mount', ['-o', 'loop', image, folder])
    mounted.push(folder)
    return folder
  }

  return {
    storageClass,
    async add(count, sizeMib) {
      for (let made = 0; made < count; made += 1) {
        const name = `${storageClass}-${mounted.length}`
        await apply(kubeconfig, [
          volume({ name, labels, storageClass, node, folder: await disk(name, sizeMib) }),
        ])
      }
    },
    async end() {
      await kubectl(['delete', 'persistentvolume', '--selector', `suite=${storageClass}`])
      await kubectl(['delete', 'storageclass', storageClass])
      for (const folder of mounted) await runTool('umount', [folder])
      await rm(dir, { recursive: true, force: true })
    },
  }
}

interface Disk {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly storageClass: string
  readonly node: string
  readonly folder: string
}

const volume = ({ name, labels, storageClass, node, folder }: Disk) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name, labels },
  spec: {
    storageClassName: storageClass,
    capacity: { storage: CLAIMED },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Retain',
    local: { path: folder },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }],
          },
        ],
      },
    },
  },
})
