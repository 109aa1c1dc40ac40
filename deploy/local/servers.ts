/** Brings up the servers the platform stands on, each embedded unless the environment names one. */
import path from 'node:path'
import type { Board } from './board.ts'
import { binDir } from './cache.ts'
import type { Secrets } from './home.ts'
import { obtainBubblewrap } from './parts/bubblewrap.ts'
import { PartMissing, type RunningPart, type Say } from './parts/part.ts'
import { obtainPostgres, startPostgres } from './parts/postgres.ts'
import { obtainSeaweedfs, startSeaweedfs, type SeaweedfsPorts } from './parts/seaweedfs.ts'
import { obtainTemporal, startTemporal } from './parts/temporal.ts'
import type { Processes } from './processes.ts'

type Env = Readonly<Record<string, string | undefined>>

export type ServerPorts = SeaweedfsPorts & {
  readonly postgres: number
  readonly temporal: number
  readonly ui: number
}

/** Every part that could not be had, together: a person fixes them in one go. */
export class PartsMissing extends Error {
  override readonly name = 'PartsMissing'
}

export const startServers = async (options: {
  readonly home: string
  readonly env: Env
  readonly secrets: Secrets
  readonly ports: ServerPorts
  readonly processes: Processes
  readonly board: Board
}): Promise<RunningPart> => {
  const { home, env, secrets, ports, processes, board } = options
  const common = (name: string, say: Say) => ({ dir: path.join(home, name), processes, say })
  const work: Promise<RunningPart>[] = [board.during('bubblewrap', bubblewrap)]
  if (!env['DATABASE_URL'])
    work.push(
      board.during('Postgres', async (say) =>
        startPostgres({
          ...common('postgres', say),
          binaries: await obtainPostgres(),
          port: ports.postgres,
          password: secrets.postgresPassword,
          database: 'dormouse',
        }),
      ),
    )
  if (!env['TEMPORAL_ADDRESS'])
    work.push(
      board.during('Temporal', async (say) =>
        startTemporal({
          ...common('temporal', say),
          binary: await obtainTemporal(say),
          ports,
        }),
      ),
    )
  if (!env['S3_ENDPOINT'])
    work.push(
      board.during('SeaweedFS', async (say) =>
        startSeaweedfs({
          ...common('seaweedfs', say),
          binary: await obtainSeaweedfs(say),
          ports,
          accessKeyId: secrets.s3AccessKeyId,
          secretAccessKey: secrets.s3SecretAccessKey,
        }),
      ),
    )
  const results = await Promise.allSettled(work)
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((part) => part.stop()))
  }
  const problems = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as Error] : [],
  )
  if (problems.length > 0) await stop()
  const [other] = problems.filter((problem) => !(problem instanceof PartMissing))
  if (other !== undefined) throw other
  if (problems.length > 0)
    throw new PartsMissing(problems.map((problem) => problem.message).join('\n  '))
  return { env: Object.assign({}, ...started.map((part) => part.env)), stop }
}

const bubblewrap = async (say: Say): Promise<RunningPart> => {
  await obtainBubblewrap(say)
  return { env: { DORMOUSE_BIN: binDir() }, stop: async () => {} }
}
