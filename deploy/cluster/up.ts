/** Brings up the one-node cluster, or what is missing of it; answers where its kubeconfig is. */
import { Resolver } from 'node:dns/promises'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Board } from '../local/board.ts'
import { obtainPrograms } from './binaries.ts'
import { makeCertificates } from './certificates.ts'
import {
  cniDir,
  containerdConfig,
  kubeconfig,
  kubeletConfig,
  podNetwork,
  RUNSC_CONFIG,
  runscFile,
} from './config-files.ts'
import { importImage, nodeImages } from './containerd.ts'
import { CLUSTER_PACKAGES, requirePackages } from './debian-packages.ts'
import { apply, kubectl } from './kubectl.ts'
import { makeNetwork } from './network.ts'
import { DNS_OBJECTS, GVISOR } from './objects.ts'
import { DNS_IMAGE, DNS_SERVICE_IP, PAUSE_IMAGE, placesOf, type Places } from './places.ts'
import { waitUntil } from '../wait-until.ts'
import { writeProgramImage } from './program-image.ts'
import { startNode } from './start-node.ts'

const PART_WITHIN_MS = 60_000
const DNS_WITHIN_MS = 60_000

export const clusterUp = async (board: Board): Promise<string> => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error(
      'a cluster on this machine needs Linux and root (sudo npm run cluster:up). Or use a cluster of yours: KUBECONFIG',
    )
  const places = placesOf()
  await board.during('packages', (say) => requirePackages(CLUSTER_PACKAGES, say))
  const programs = await obtainPrograms(board)
  await board.during('node', async (say) => {
    await makeNetwork()
    await writeFiles(places)
    await startNode(places, programs, say)
  })
  await board.during('cluster DNS', () => startDns(places, programs))
  return places.kubeconfig
}

const writeFiles = async (places: Places): Promise<void> => {
  for (const dir of [places.state, places.run, cniDir(places)])
    await mkdir(dir, { recursive: true, mode: 0o711 })
  await makeCertificates(places.pki)
  const pem = (name: string): Promise<string> => readFile(path.join(places.pki, name), 'utf8')
  const files = {
    [places.kubeconfig]: kubeconfig({
      ca: await pem('ca.crt'),
      certificate: await pem('admin.crt'),
      key: await pem('admin.key'),
    }),
    [path.join(places.state, 'containerd.toml')]: containerdConfig(places),
    [path.join(places.state, 'kubelet.json')]: kubeletConfig(places),
    [path.join(cniDir(places), '10-pods.conflist')]: podNetwork(),
    [runscFile(places)]: RUNSC_CONFIG,
  }
  for (const [file, text] of Object.entries(files)) {
    await writeFile(`${file}.new`, text, { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
}

/** Its image has no registry to come from either. */
const startDns = async (places: Places, programs: string): Promise<void> => {
  const there = await nodeImages()
  for (const [reference, program] of [
    [PAUSE_IMAGE, 'pause'],
    [DNS_IMAGE, 'dns'],
  ] as const) {
    if (there.has(reference)) continue
    const archive = path.join(places.state, `${program}.tar`)
    await writeProgramImage(path.join(programs, program), reference, archive)
    await importImage(archive)
    await rm(archive)
  }
  await waitUntil('the API', () => apply(places.kubeconfig, [GVISOR, ...DNS_OBJECTS]), {
    withinMs: PART_WITHIN_MS,
  })
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([DNS_SERVICE_IP])
  // Asked as a pod asks: after a crash the API still tells of the pod that was ready before.
  await waitUntil('cluster DNS', () => resolver.resolve4('kubernetes.default.svc.cluster.local'), {
    withinMs: DNS_WITHIN_MS,
  })
  // It appears a moment after the API, and no pod is admitted without it.
  await waitUntil(
    'the default service account',
    () => kubectl(places.kubeconfig, ['get', 'serviceaccount', 'default']),
    { withinMs: PART_WITHIN_MS },
  )
}
