/** For suites: a workload namespace with the chart's walls, and nothing of the platform. */
import { kubectl as kubectlOf } from '../../deploy/cluster/kubectl.ts'
import {
  admissionPolicyOf,
  helm as helmOf,
  installWalls,
  removeRelease as removeReleaseOf,
  WALLS,
} from '../../deploy/chart/walls.ts'
import { openBoard, type Board } from '../../deploy/local/board.ts'

export interface Workloads {
  readonly namespace: string
  /** Name of the ValidatingAdmissionPolicy and its binding. */
  readonly admissionPolicy: string
  /** Removes the namespace, its system namespace and what the chart made outside of both. */
  end(): Promise<void>
}

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
  const workloads = { ingress: { cidrs: hosts }, ...(values['workloads'] as object | undefined) }
  const walls = { namespace, systemNamespace: system, installation }
  await withBoard((board) => installWalls({ ...walls, values: { ...values, workloads } }, board))
  return {
    namespace,
    admissionPolicy: admissionPolicyOf(WALLS, system),
    end: () => removeRelease(WALLS, system, [namespace, system]),
  }
}

/** With all that the chart keeps for the sake of unsaved computes. */
export const removeRelease = (
  release: string,
  systemNamespace: string,
  namespaces: readonly string[],
): Promise<void> =>
  withBoard((board) =>
    removeReleaseOf(release, { systemNamespace, namespaces }, board, kubeconfig()),
  )

export const helm = (args: readonly string[]): Promise<string> =>
  withBoard((board) => helmOf(args, board))

const withBoard = async <T>(work: (board: Board) => Promise<T>): Promise<T> => {
  const board = openBoard()
  try {
    return await work(board)
  } finally {
    board.close()
  }
}

export const kubectl = (args: readonly string[]): Promise<string> => kubectlOf(kubeconfig(), args)

const kubeconfig = (): string => process.env['KUBECONFIG'] ?? ''
