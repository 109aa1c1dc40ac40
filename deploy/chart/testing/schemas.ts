/** JSON schemas of every kind that a cluster serves, from its own description, as kubeconform reads them. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

interface Schema {
  readonly type?: string
  readonly format?: string
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly description?: string
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string
    readonly version: string
    readonly kind: string
  }[]
}

export interface OpenApi {
  readonly definitions: Readonly<Record<string, Schema>>
}

/** For `--schema-location`: a template over the names of the files that `writeSchemas` makes. */
export const schemaLocation = (dir: string): string =>
  path.join(dir, '{{ .ResourceKind }}{{ .KindSuffix }}.json')

/** Strict: a field that the kind does not have is an error. */
export const writeSchemas = async (openApi: OpenApi, dir: string): Promise<void> => {
  await mkdir(dir, { recursive: true })
  for (const [name, definition] of Object.entries(openApi.definitions))
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      const suffix = [group.split('.')[0], version].filter(Boolean).join('-')
      const file = path.join(dir, `${kind}-${suffix}.json`.toLowerCase())
      await writeFile(file, JSON.stringify(wholeSchema(openApi, name)))
    }
}

const PREFIX = '#/definitions/'

const wholeSchema = (openApi: OpenApi, root: string) => {
  const definitions: Record<string, unknown> = {}
  const pending = [root]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const definition = openApi.definitions[name]
    if (definition === undefined || name in definitions) continue
    definitions[name] = LOOSE[name] ?? strict(definition, (other) => pending.push(other))
  }
  return { $ref: `${PREFIX}${root}`, definitions }
}

const API = 'io.k8s.apimachinery.pkg'
/** Written as numbers, too, which the description does not say. */
const LOOSE: Readonly<Record<string, object>> = {
  [`${API}.util.intstr.IntOrString`]: { type: ['string', 'integer'] },
  [`${API}.api.resource.Quantity`]: { type: ['string', 'number'] },
}

const strict = (schema: Schema, needs: (name: string) => void): object => {
  const { $ref, type, properties, additionalProperties, items } = schema
  if ($ref !== undefined) {
    needs($ref.slice(PREFIX.length))
    return { $ref }
  }
  const within = (inner: Schema) => strict(inner, needs)
  return {
    ...(type === undefined ? {} : { type: [type, 'null'] }),
    ...(items === undefined ? {} : { items: within(items) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: within(additionalProperties) }
      : {}),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, inner]) => [name, within(inner)]),
          ),
          additionalProperties: false,
        }),
    ...('required' in schema ? { required: schema.required } : {}),
  }
}
