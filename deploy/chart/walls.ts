/** The walls around computes alone, without the platform: for one that runs outside the cluster. */
import path from 'node:path'
import { kubectl } from '../cluster/kubectl.ts'
import { helmProgram } from '../cluster/tools.ts'
import type { Board } from '../local/board.ts'
import { runTool } from '../local/run-tool.ts'
import { rootDir } from '../root-dir.ts'

export const CHART = path.join(rootDir(), 'deploy/chart')
export const WALLS = 'walls'

export interface WallsOf {
  readonly namespace: string
  readonly systemNamespace: string
  /** Label of the pods. */
  readonly installation: string
  /** Further settings of the chart, as values.yaml nests them. */
  readonly values?: Readonly<Record<string, unknown>>
}

/** Installs or updates them; both namespaces are made where they are missing. */
export const installWalls = async (
  { namespace, systemNamespace, installation, values = {} }: WallsOf,
  board: Board,
  kubeconfig?: string,
): Promise<void> => {
  const own = (values['workloads'] ?? {}) as Readonly<Record<string, unknown>>
  const where = ['--namespace', systemNamespace, '--create-namespace']
  const all = {
    ...values,
    platform: { enabled: false },
    workloads: { namespace, installation, ...own },
  }
  await helm(['upgrade', '--install', WALLS, CHART, ...where, ...settings(all)], board, kubeconfig)
}

/** Uninstalls, with the namespaces and all that the chart keeps for the sake of unsaved computes. */
export const removeRelease = async (
  release: string,
  { systemNamespace, namespaces }: { systemNamespace: string; namespaces: readonly string[] },
  board: Board,
  kubeconfig: string,
): Promise<void> => {
  const where = ['--namespace', systemNamespace, '--ignore-not-found']
  await helm(['uninstall', release, ...where], board, kubeconfig)
  const kept = 'validatingadmissionpolicybinding,validatingadmissionpolicy'
  const policy = admissionPolicyOf(release, systemNamespace)
  await kubectl(kubeconfig, ['delete', kept, '--ignore-not-found', policy])
  const all = [systemNamespace, ...namespaces]
  await kubectl(kubeconfig, ['delete', 'namespace', '--ignore-not-found', '--wait=false', ...all])
}

/** Name of the ValidatingAdmissionPolicy and its binding, as the chart names what stands outside every namespace. */
export const admissionPolicyOf = (release: string, systemNamespace: string): string =>
  `${systemNamespace}-${release.includes('dormouse') ? release : `${release}-dormouse`}-computes`

/** As arguments of helm: every value is JSON, so that none is read as a path or a list. */
export const settings = (values: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.entries(values).flatMap(([name, value]) => [
    '--set-json',
    `${name}=${JSON.stringify(value)}`,
  ])

/** `kubeconfig` undefined: the environment's. */
export const helm = async (
  args: readonly string[],
  board: Board,
  kubeconfig?: string,
): Promise<string> =>
  runTool(await helmProgram(board), args, {
    env: { ...process.env, ...(kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig }) },
  })
