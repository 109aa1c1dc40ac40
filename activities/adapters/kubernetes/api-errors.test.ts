import { ApiException } from '@kubernetes/client-node'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { imageReference } from './image-reference.ts'
import { isNotFound, messageOf, refusedPod, unavailable } from './api-errors.ts'

/** As the API server answers: a Status in JSON, and headers nobody else should see. */
const answer = (code: number, message: string) =>
  new ApiException(code, 'Unknown API Status Code!', JSON.stringify({ kind: 'Status', message }), {
    authorization: 'Bearer secret-token',
  })

it.each([
  [
    'QuotaExceeded',
    403,
    'pods "compute-x-1" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=3, limited: pods=3',
  ],
  [
    'IsolationUnavailable',
    403,
    'pods "x" is forbidden: pod rejected: RuntimeClass "gvisor" not found',
  ],
  ['IsolationUnavailable', 404, 'namespaces "computes" not found'],
  [
    'IsolationUnavailable',
    403,
    'pods is forbidden: User "worker" cannot create resource "pods" in API group ""',
  ],
  ['ProvisionFailed', 403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": …'],
  ['ProvisionFailed', 422, 'Pod "x" is invalid: spec.volumes[3]: Required value'],
])('%s: %i %s', (name, code, message) => {
  expect(refusedPod(answer(code, message), 'computes')?.name).toBe(name)
})

it('says which quota, without the pod’s name', () => {
  const text = 'pods "compute-x-1" is forbidden: exceeded quota: tight, requested: pods=1'
  expect(refusedPod(answer(403, text), 'computes')?.message).toBe(
    'the quota of namespace computes is used up: tight, requested: pods=1',
  )
})

it('an API that is overloaded or away says nothing about the pod', () => {
  for (const error of [answer(500, 'etcd'), answer(429, 'slow down'), new Error('ECONNREFUSED')]) {
    expect(refusedPod(error, 'computes')).toBeUndefined()
    expect(isNotFound(error)).toBe(false)
    expect(unavailable(error)).toMatchObject({ name: 'Unavailable', retryable: true })
  }
})

it('no header is in a failure, which histories keep', () => {
  expect(messageOf(answer(500, 'internal'))).toBe('internal')
  expect(inspect(unavailable(answer(503, 'away')))).not.toContain('secret')
})

it('an image’s base is the configured one, a registry’s reference, or of another runtime', () => {
  const reference = (name: string) => imageReference({ name, digest: 'sha256:0' }, 'r/base:1')
  expect(reference('base')).toBe('r/base:1')
  expect(reference('docker.io/library/debian:12')).toBe('docker.io/library/debian:12')
  expect(() => reference('host')).toThrow(/local runtime/)
})
