import { connect } from 'node:tls'
import { spawn as spawnPty } from 'node-pty'
import WebSocket from 'ws'
import type { Socket } from '../../sdk/terminal-socket.ts'
import { TERMINAL_PROTOCOL } from '../../sidekick/protocol.ts'
import { loadSigningKeys, mintSidekickTicket } from '../../auth/keys.ts'
import type { Bench, Measure } from '../bench.ts'
import { openBenchTerminal, type OpenSocket } from '../bench-terminal.ts'
import { figure, quantile, timed } from '../figure.ts'

/** Key echo and bulk output, through the gateway against the sidekick's own socket and a bare pty. */
export const terminal: Measure = async (bench) => {
  const { visitor, quick } = bench
  const { id } = await visitor.client.computes.create({ name: 'bench terminal' }, { wait: 60 })
  const mib = quick ? 8 : 64
  await visitor.run(id, `head -c ${mib * 776_000} /dev/urandom | base64 > text`)
  const bare = await echoing(await toSidekick(bench, id))
  const gateway = await echoing(throughGateway(bench, id))
  const echoes = { bare: [] as number[], gateway: [] as number[] }
  // in turn, so that a slow moment of the machine meets both
  for (let key = 0; key < (quick ? 100 : 1_000); key++) {
    echoes.bare.push(await bare.echo(key))
    echoes.gateway.push(await gateway.echo(key))
  }
  bare.close()
  gateway.close()
  const bulk = await bulkMs(throughGateway(bench, id))
  await visitor.client.computes.remove(id, { purge: true, wait: 60 })
  return [
    ...([0.5, 0.99] as const).map((q) =>
      figure(`terminal echo through the gateway, p${q * 100}`, quantile(echoes.gateway, q), 'ms', {
        value: quantile(echoes.bare, q),
        name: 'bare sidekick socket',
      }),
    ),
    figure('terminal throughput', mib / (bulk / 1000), 'MiB/s', {
      value: mib / ((await barePtyMs(mib)) / 1000),
      name: 'cat on a pty',
    }),
  ]
}

const echoing = async (open: OpenSocket) => {
  const terminal = openBenchTerminal(open)
  terminal.type(`stty -echo; PS1=; echo rea''dy; exec cat\r`)
  await terminal.until('ready')
  return {
    echo: (key: number) =>
      timed(async () => {
        terminal.type(`k${key}e\r`)
        await terminal.until(`k${key}e`)
      }),
    close: terminal.close,
  }
}

const bulkMs = async (open: OpenSocket): Promise<number> => {
  const terminal = openBenchTerminal(open)
  terminal.type(`stty -echo; PS1=; echo rea''dy\r`)
  await terminal.until('ready')
  const ms = await timed(async () => {
    terminal.type(`cat text; echo '<do''ne>'\r`)
    await terminal.until('<done>')
  })
  terminal.close()
  return ms
}

const throughGateway =
  ({ visitor }: Bench, id: string): OpenSocket =>
  async (query) => {
    const { gateway } = visitor.client
    const url = new URL(`/compute/${id}/terminal?${query}`, gateway.origin)
    url.protocol = 'ws:'
    return new WebSocket(url, [TERMINAL_PROTOCOL], {
      headers: { authorization: `Bearer ${await gateway.auth.token()}` },
    }) as unknown as Socket
  }

const toSidekick = async ({ stack }: Bench, id: string): Promise<OpenSocket> => {
  const { address, generation } = await stack.db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', id)
    .orderBy('generation', 'desc')
    .executeTakeFirstOrThrow()
  if (!address) throw new Error(`compute ${id} has no sandbox`)
  const at = address.kind === 'unix' ? { path: address.path } : address
  const keys = loadSigningKeys(stack.env['DORMOUSE_SIGNING_KEY'] ?? '')
  return async (query) => {
    const ticket = await mintSidekickTicket(keys, {
      computeId: id,
      generation,
      scope: 'use',
      subject: 'bench',
    })
    return new WebSocket(`wss://sidekick/v1/terminal?${query}`, [TERMINAL_PROTOCOL], {
      createConnection: () => connect({ ...at, rejectUnauthorized: false }),
      headers: { authorization: `Bearer ${ticket}` },
    }) as unknown as Socket
  }
}

/** As much text by `cat` on a pty read in this process. */
const barePtyMs = async (mib: number): Promise<number> => {
  const file = '/tmp/dormouse-bench-text'
  await ptyEnds(`head -c ${mib * 776_000} /dev/urandom | base64 > ${file}`)
  const ms = await timed(() => ptyEnds(`cat ${file}`))
  await ptyEnds(`rm ${file}`)
  return ms
}

const ptyEnds = (command: string): Promise<void> =>
  new Promise((resolve) => {
    const pty = spawnPty('sh', ['-c', command], {})
    pty.onData(() => {})
    pty.onExit(() => resolve())
  })
