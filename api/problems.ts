import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isDatabaseAway } from '../records/database-away.ts'
import {
  FAILURES,
  isFailureName,
  type DormouseError,
  type FailureName,
} from '../workflows/errors.ts'
import type { App } from './deps.ts'
import { shapeOf } from './schema.ts'

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'
const RETRY_AFTER_S = 2

/** Every error leaves as RFC 9457 problem+json with a code from docs/errors.md. */
export const registerProblems = (app: App): void => {
  app.setErrorHandler(answerProblem)
}

export const answerProblem = (
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const problem = describe(error, request)
  if (problem.status >= 500) request.log.error({ err: error }, 'request failed')
  if (problem.code === 'Unauthenticated') reply.header('www-authenticate', 'Bearer')
  if (problem.retry && !reply.hasHeader('retry-after')) reply.header('retry-after', RETRY_AFTER_S)
  return sendProblem(request, reply, problem)
}

interface Problem {
  readonly status: number
  readonly code: FailureName | 'Internal'
  readonly title: string
  readonly detail: string
  readonly retry: boolean
  readonly field?: string
  readonly details?: Readonly<Record<string, unknown>>
}

export const sendProblem = (request: FastifyRequest, reply: FastifyReply, problem: Problem) =>
  reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    // The response schemas are those of success; a problem is written as it is.
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send({
      type: `urn:dormouse:error:${problem.code}`,
      ...problem,
      requestId: request.id,
    })

const describe = (error: FastifyError, request: FastifyRequest): Problem => {
  if (error.validation !== undefined) return describeValidation(error, request)
  if (isFailureName(error.name)) return describeFailure(error as unknown as DormouseError)
  if (isDatabaseAway(error)) return named('Unavailable', 'the database does not answer')
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500)
    return { ...named(clientCode(status), error.message), status, retry: status === 429 }
  return {
    status: 500,
    code: 'Internal',
    title: 'Something broke here',
    detail: 'the platform made a mistake; the request id finds it in the logs',
    retry: false,
  }
}

const describeFailure = (error: DormouseError): Problem => {
  const { field, ...details } = error.details ?? {}
  return {
    ...named(error.name, error.message),
    ...(typeof field === 'string' ? { field } : {}),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  }
}

const named = (code: FailureName, detail: string): Problem => ({
  status: FAILURES[code].status,
  code,
  title: FAILURES[code].title,
  detail,
  retry: FAILURES[code].retry,
})

interface SchemaError {
  readonly keyword: string
  readonly instancePath: string
  readonly message?: string
  readonly params: {
    additionalProperties?: string[]
    requiredProperties?: string[]
    pattern?: string | RegExp
    allowedValues?: readonly unknown[]
  }
}

const describeValidation = (error: FastifyError, request: FastifyRequest): Problem => {
  // An id of the wrong shape names nothing, like one of the right shape that is not there.
  if (error.validationContext === 'params')
    return named('NotFound', `nothing is at ${request.url.split('?')[0]}`)
  const errors = error.validation as unknown as readonly SchemaError[]
  const worst =
    errors.find(({ keyword }) => keyword === 'additionalProperties') ??
    errors.find(({ keyword }) => keyword !== 'const') ??
    errors[0]
  const extra = worst?.params.additionalProperties?.[0]
  const missing = worst?.params.requiredProperties?.[0]
  const field = [...(worst?.instancePath ?? '').split('/'), extra ?? missing ?? '']
    .filter((part) => part !== '')
    .join('.')
  const detail =
    extra !== undefined
      ? `${field} is not a property of this request`
      : missing !== undefined
        ? `${field} is missing`
        : `${field === '' ? error.validationContext : field} ${reasonOf(worst)}`
  return { ...named('Invalid', detail), ...(field === '' ? {} : { field }) }
}

const reasonOf = (error: SchemaError | undefined): string => {
  const { pattern, allowedValues } = error?.params ?? {}
  const shape = pattern === undefined ? undefined : shapeOf(String(pattern))
  if (shape !== undefined) return `must be ${shape}`
  return allowedValues === undefined
    ? (error?.message ?? 'is wrong')
    : `must be one of ${allowedValues.join(', ')}`
}

const clientCode = (status: number): FailureName => {
  if (status === 401) return 'Unauthenticated'
  if (status === 403) return 'Forbidden'
  if (status === 404) return 'NotFound'
  return status === 429 ? 'RateLimited' : 'Invalid'
}
