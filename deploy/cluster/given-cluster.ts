/** A cluster that somebody else runs: does it answer, and is it fit for computes. */
import { kubectl } from './kubectl.ts'

const ANSWERS_WITHIN = '--request-timeout=10s'

export const checkGivenCluster = async (kubeconfig: string): Promise<void> => {
  try {
    await kubectl(kubeconfig, ['get', '--raw', '/readyz', ANSWERS_WITHIN])
  } catch (error) {
    throw new Error(
      `the cluster of KUBECONFIG=${kubeconfig} does not answer: ${error instanceof Error ? error.message : String(error)}\n  Start it, or unset KUBECONFIG to get one on this machine.`,
      { cause: error },
    )
  }
}

/** The current context's name tells kind, k3d and minikube, each of which loads images in its own way. */
export const currentContext = async (kubeconfig: string): Promise<string> =>
  (await kubectl(kubeconfig, ['config', 'current-context'])).trim()
