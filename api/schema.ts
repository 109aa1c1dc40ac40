import {
  Type,
  type TProperties,
  type TSchema,
  type TObjectOptions,
  type TStringOptions,
} from '@fastify/type-provider-typebox'

/** A request's object: a property it does not name is refused, never dropped in silence. */
export const Closed = <T extends TProperties>(properties: T, options: TObjectOptions = {}) =>
  Type.Object(properties, { ...options, additionalProperties: false })

const shapes = new Map<string, string>()

/** Text of a shape. `mustBe` is how a refusal ends that begins with the field and "must be". */
export const Shaped = (pattern: string, mustBe: string, options: TStringOptions = {}) => {
  shapes.set(pattern, mustBe)
  return Type.String({ ...options, pattern })
}

/** What text of this pattern must be, in words. */
export const shapeOf = (pattern: string): string | undefined => shapes.get(pattern)

export const Id = (description?: string) =>
  Shaped(
    '^[a-z][a-z0-9]{0,39}$',
    'an id: a lower-case letter, then lower-case letters and digits, 40 at most',
    description === undefined ? {} : { description },
  )

export const Name = Shaped(
  // Control characters, breaks of lines, and what turns the direction of text: names are shown in terminals.
  '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$',
  'without control characters and line breaks',
  { minLength: 1, maxLength: 100, description: 'No control characters' },
)

export const Timestamp = Type.String({ format: 'date-time' })

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

export const Page = {
  cursor: Type.Optional(
    Type.String({ maxLength: 80, description: '`next_cursor` of the page before' }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: 'Default 50' })),
}

export const ById = Closed({ id: Id() })

/** RFC 9457, with a `code` from docs/errors.md. */
export const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String({ description: 'A name from docs/errors.md' }),
  detail: Type.String(),
  field: Type.Optional(Type.String({ description: 'What in the request is wrong' })),
  requestId: Type.String(),
  retry: Type.Boolean({ description: 'Whether the same request may succeed later' }),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})

/** A page of a list; `next_cursor` is null on the last one. */
export const PageOf = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next_cursor: Nullable(Type.String()) })

export const onePage = <T>(items: readonly T[]): { items: T[]; next_cursor: null } => ({
  items: [...items],
  next_cursor: null,
})

/** Body of a request that says nothing, written or left out. */
export const NoBody = Type.Union([Type.Null(), Closed({})])
