/** Brings up the servers the platform stands on, each embedded unless the environment names one. */
import path from 'node:path'
import type { Board } from './board.ts'
import { binDir } from './cache.ts'
import type { Secrets } from './home.ts'
import { obtainBubblewrap } from './parts/bubblewrap.ts'
import { PartMissing, type RunningPart, type Say } from './parts/part.ts'
import { obtainPostgres, postgresEnv, startPostgres } from './parts/postgres.ts'
import { obtainSeaweedfs, seaweedfsEnv, startSeaweedfs } from './parts/seaweedfs.ts'
import { obtainTemporal, startTemporal, temporalEnv } from './parts/temporal.ts'
import type { Processes } from './processes.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface ServerPorts {
  readonly postgres: number
  readonly s3: number
  readonly temporal: number
  readonly ui: number
}

/** Every part that could not be had, together: a person fixes them in one go. */
export class PartsMissing extends Error {
  override readonly name = 'PartsMissing'
}

export interface Servers {
  /** Where each will be: known before it runs. */
  readonly env: Env
  readonly database: Promise<unknown>
  /** Resolves when every one answers; PartsMissing or the first other failure. */
  readonly all: Promise<void>
}

export const startServers = (options: {
  readonly home: string
  readonly distDir: string
  readonly env: Env
  readonly secrets: Secrets
  readonly ports: ServerPorts
  readonly processes: Processes
  readonly board: Board
}): Servers => {
  const { home, env, ports, processes, board } = options
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey } = options.secrets
  const sandboxes = board.during('bubblewrap', obtainBubblewrap)
  const common = (name: string, say: Say) => ({ dir: path.join(home, name), processes, say })
  const inBox = async (name: string, say: Say) => ({
    ...common(name, say),
    box: { bwrap: await sandboxes, distDir: options.distDir },
  })
  const postgres = { port: ports.postgres, password: options.secrets.postgresPassword }
  const s3 = { ports, accessKeyId, secretAccessKey }

  const database = embed(env['DATABASE_URL'], () =>
    board.during('Postgres', async (say) =>
      startPostgres({
        ...common('postgres', say),
        ...postgres,
        binaries: await obtainPostgres(),
        database: DATABASE,
      }),
    ),
  )
  const temporal = embed(env['TEMPORAL_ADDRESS'], () =>
    board.during('Temporal', async (say) =>
      startTemporal({
        ...(await inBox('temporal', say)),
        ports,
        binary: await obtainTemporal(say),
      }),
    ),
  )
  const store = embed(env['S3_ENDPOINT'], () =>
    board.during('SeaweedFS', async (say) =>
      startSeaweedfs({
        ...(await inBox('seaweedfs', say)),
        ...s3,
        binary: await obtainSeaweedfs(say),
      }),
    ),
  )
  return {
    env: {
      DORMOUSE_BIN: binDir(),
      ...(env['DATABASE_URL'] ? {} : postgresEnv({ ...postgres, database: DATABASE })),
      ...(env['TEMPORAL_ADDRESS'] ? {} : temporalEnv(ports)),
      ...(env['S3_ENDPOINT'] ? {} : seaweedfsEnv(s3)),
    },
    database,
    all: together([database, temporal, store, sandboxes]),
  }
}

const DATABASE = 'dormouse'

const embed = (given: string | undefined, start: () => Promise<RunningPart>): Promise<unknown> =>
  given ? Promise.resolve() : start()

const together = async (parts: readonly Promise<unknown>[]): Promise<void> => {
  const problems = (await Promise.allSettled(parts)).flatMap((result) =>
    result.status === 'rejected' ? [result.reason as Error] : [],
  )
  const [other] = problems.filter((problem) => !(problem instanceof PartMissing))
  if (other !== undefined) throw other
  if (problems.length > 0)
    throw new PartsMissing(problems.map((problem) => problem.message).join('\n  '))
}
