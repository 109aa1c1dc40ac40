/** Answers of the Kubernetes API that are refusals, as failures with a name. An error is never absence. */
import { ApiException } from '@kubernetes/client-node'
import { DormouseError } from '../../../workflows/errors.ts'

export const isNotFound = (error: unknown): boolean => codeOf(error) === 404
export const isConflict = (error: unknown): boolean => codeOf(error) === 409

/** Whatever the API or the way to it failed with: retryable, and nothing is known about what was asked. */
export const unavailable = (error: unknown): DormouseError =>
  error instanceof DormouseError
    ? error
    : new DormouseError(
        'Unavailable',
        `the Kubernetes API does not answer as it should: ${messageOf(error)}`,
        {},
        causeOf(error),
      )

/** Why a pod was not accepted; `undefined` when the error says nothing about the pod. */
export const refusedPod = (error: unknown, namespace: string): DormouseError | undefined => {
  const code = codeOf(error)
  const message = messageOf(error)
  const named = (
    name: 'QuotaExceeded' | 'IsolationUnavailable' | 'ProvisionFailed',
    text: string,
  ) => new DormouseError(name, text, {}, causeOf(error))
  if (code === 403 && /exceeded quota/.test(message))
    return named(
      'QuotaExceeded',
      `the quota of namespace ${namespace} is used up: ${quota(message)}`,
    )
  if (code === 403 && /RuntimeClass .* not found/i.test(message))
    return named(
      'IsolationUnavailable',
      `${message}; install gVisor on the nodes and its RuntimeClass: docs/kubernetes-runtime.md`,
    )
  if (code === 404 && /namespaces? .*not found/i.test(message))
    return named(
      'IsolationUnavailable',
      `namespace ${namespace} is not there; install the chart, or see docs/kubernetes-runtime.md`,
    )
  if (code === 403 && /cannot create resource/.test(message))
    return named('IsolationUnavailable', `the worker's account may not: ${message}`)
  if (code === 400 || code === 403 || code === 422)
    return named('ProvisionFailed', `the cluster refuses the pod: ${message}`)
  return undefined
}

export const codeOf = (error: unknown): number | undefined => {
  if (error instanceof ApiException) return error.code
  const status = (error as { statusCode?: unknown } | null)?.statusCode
  return typeof status === 'number' ? status : undefined
}

/** An answer of the API is told by its sentence alone: the library's error has its whole body and headers. */
const causeOf = (error: unknown): Error | undefined =>
  error instanceof Error && !(error instanceof ApiException) ? error : undefined

/** The API's own sentence; never headers or the request, which may carry a token. */
export const messageOf = (error: unknown): string => {
  if (error instanceof ApiException) {
    const body = bodyOf(error.body)
    return body?.message ?? `status ${error.code}`
  }
  return error instanceof Error ? error.message : String(error)
}

const bodyOf = (body: unknown): { message?: string } | undefined => {
  if (typeof body === 'object' && body !== null) return body as { message?: string }
  try {
    return JSON.parse(String(body)) as { message?: string }
  } catch {
    return undefined
  }
}

/** `pods "x" is forbidden: exceeded quota: tier, requested: …` without the pod. */
const quota = (message: string): string => message.replace(/^.*exceeded quota: /, '')
