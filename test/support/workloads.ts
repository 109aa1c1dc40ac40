/** For suites: a workload namespace with the chart's walls, and nothing of the platform. */
import { openBoard } from '../../deploy/local/board.ts'
import { runTool } from '../../deploy/local/run-tool.ts'
import { kubectl as kubectlOf } from '../../deploy/cluster/kubectl.ts'
import { obtainTool } from '../../deploy/cluster/tools.ts'
import { rootDir } from '../../deploy/root-dir.ts'

export interface Workloads {
  readonly namespace: string
  /** Name of the ValidatingAdmissionPolicy and its binding. */
  readonly admissionPolicy: string
  /** Removes the namespace, its system namespace and what the chart made outside of both. */
  end(): Promise<void>
}

export const CHART = `${rootDir()}/deploy/chart`

/**
 * Installs the chart's isolation: the namespace with Pod Security, policies, quota, disruption budget,
 * and the admission policy for RuntimeClass gvisor. `installation` is the pods' label, the namespace's
 * name by default; `hosts`: networks outside the cluster that may reach sidekicks. The node may anyway.
 */
export const installWorkloads = async (
  namespace: string,
  options: {
    readonly installation?: string
    readonly hosts?: readonly string[]
    /** Further settings of the chart, as values.yaml nests them. */
    readonly values?: Readonly<Record<string, unknown>>
  } = {},
): Promise<Workloads> => {
  const { installation = namespace, hosts = [], values = {} } = options
  const system = `${namespace}-system`
  const own = (values['workloads'] ?? {}) as Record<string, unknown>
  await helm([
    ...['upgrade', '--install', 'walls', CHART, '--namespace', system, '--create-namespace'],
    ...settings({
      ...values,
      platform: { enabled: false },
      workloads: { namespace, installation, ingress: { cidrs: hosts }, ...own },
    }),
  ])
  return {
    namespace,
    admissionPolicy: admissionPolicy('walls', system),
    end: () => removeRelease('walls', system, [namespace, system]),
  }
}

/** Uninstalls, and removes what the chart keeps for the sake of unsaved computes. */
export const removeRelease = async (
  release: string,
  system: string,
  namespaces: readonly string[],
): Promise<void> => {
  await helm(['uninstall', release, '--namespace', system, '--ignore-not-found'])
  const kept = 'validatingadmissionpolicybinding,validatingadmissionpolicy'
  await kubectl(['delete', kept, '--ignore-not-found', admissionPolicy(release, system)])
  await kubectl(['delete', 'namespace', '--ignore-not-found', '--wait=false', ...namespaces])
}

/** As the chart names what stands outside every namespace. */
const admissionPolicy = (release: string, system: string): string =>
  `${system}-${release.includes('dormouse') ? release : `${release}-dormouse`}-computes`

/** As arguments of helm: every value is JSON, so that none is read as a path or a list. */
export const settings = (values: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.entries(values).flatMap(([name, value]) => [
    '--set-json',
    `${name}=${JSON.stringify(value)}`,
  ])

export const helm = async (args: readonly string[]): Promise<string> => {
  const board = openBoard()
  const program = await obtainTool('helm', board)
  board.close()
  return runTool(program, args)
}

export const kubectl = (args: readonly string[]): Promise<string> =>
  kubectlOf(process.env['KUBECONFIG'] ?? '', args)
