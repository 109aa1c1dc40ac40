/** The images of the platform: one Dockerfile each, in this folder. */
import type { IngredientName } from './ingredients.ts'

export interface Image {
  readonly name: string
  /** In this folder. */
  readonly dockerfile: string
  /** Other files of this folder that it copies. */
  readonly context?: readonly string[]
  /** Build argument → what stands in for the public image it names by default. */
  readonly from: Readonly<Record<string, IngredientName>>
}

export const IMAGES = [
  { name: 'base', dockerfile: 'base.Dockerfile', from: { DEBIAN: 'debian', NODE: 'node' } },
  {
    name: 'sidekick',
    dockerfile: 'sidekick.Dockerfile',
    from: { DEBIAN: 'debian', BUILT: 'sidekick' },
  },
  {
    name: 'platform',
    dockerfile: 'platform.Dockerfile',
    from: { PACKAGES: 'packages', BUILT: 'app' },
  },
  {
    name: 'postgres',
    dockerfile: 'postgres.Dockerfile',
    context: ['postgres-start.sh'],
    from: { POSTGRES: 'postgres' },
  },
  {
    name: 'temporal',
    dockerfile: 'temporal.Dockerfile',
    from: { DEBIAN: 'debian', TEMPORAL: 'temporal' },
  },
  {
    name: 'seaweedfs',
    dockerfile: 'seaweedfs.Dockerfile',
    from: { DEBIAN: 'debian', SEAWEEDFS: 'seaweedfs' },
  },
] as const satisfies readonly Image[]

export const REPOSITORY = 'docker.io/dormouse'

/** `docker.io/dormouse/<name>:<tag>` */
export const reference = (name: string, tag: string): string => `${REPOSITORY}/${name}:${tag}`

/** The tag that always means the newest made here. */
export const LATEST_TAG = 'dev'
