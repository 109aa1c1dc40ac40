/** Debian's packages that a cluster or an image build needs: looked for first, so that nothing fails half-way. */
import type { Say } from '../local/parts/part.ts'
import { runTool } from '../local/run-tool.ts'

/** Package → why, in the words of the error. */
export const CLUSTER_PACKAGES = {
  conntrack: 'kube-proxy forgets dead connections with it',
  'containernetworking-plugins': 'pods get their network from it',
  'etcd-server': 'the API server keeps its objects in it',
  iproute2: 'it makes the links and the namespace of the control plane',
  ipset: 'kube-router enforces network policies with it',
  iptables: 'kube-proxy and kube-router write their rules with it',
  mount: 'it takes away what pods left mounted',
  openssl: 'it makes the certificates',
  runc: 'it runs pods that are not in gVisor',
} as const

export const IMAGE_PACKAGES = {
  buildah: 'it builds the images',
  debootstrap: 'it makes their Debian',
  'debian-archive-keyring': 'debootstrap checks signatures with it',
} as const

export class PackagesMissing extends Error {
  override readonly name = 'PackagesMissing'
  constructor(missing: Readonly<Record<string, string>>) {
    const names = Object.keys(missing)
    super(
      `Debian packages are missing:\n${names.map((name) => `    ${name}: ${missing[name]}`).join('\n')}\n  Run: ${installCommand(names)}\n  Or use a cluster of yours: KUBECONFIG.`,
    )
  }
}

/** Of `wanted`, those whose status is not "installed". */
export const missingPackages = async (
  wanted: Readonly<Record<string, string>>,
  statusOf: (name: string) => Promise<string> = dpkgStatus,
): Promise<Readonly<Record<string, string>>> => {
  const missing: Record<string, string> = {}
  for (const [name, why] of Object.entries(wanted)) {
    const status = await statusOf(name).catch(() => '')
    if (!/^Status: .* installed$/m.test(status)) missing[name] = why
  }
  return missing
}

/** Installs what is missing where a machine is ours to change (root, in CI); else PackagesMissing. */
export const requirePackages = async (
  wanted: Readonly<Record<string, string>>,
  say: Say,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> => {
  const missing = await missingPackages(wanted)
  const names = Object.keys(missing)
  if (names.length === 0) return
  if (process.getuid?.() !== 0 || !env['CI']) throw new PackagesMissing(missing)
  say(`installing ${names.join(', ')}`)
  const quiet = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } }
  await runTool('apt-get', ['update', '-q'], quiet)
  await runTool('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...names], quiet)
  const still = await missingPackages(wanted)
  if (Object.keys(still).length > 0) throw new PackagesMissing(still)
}

const installCommand = (names: readonly string[]): string =>
  `sudo apt-get install -y --no-install-recommends ${names.join(' ')}`

const dpkgStatus = (name: string): Promise<string> => runTool('dpkg', ['-s', name])
