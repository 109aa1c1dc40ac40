import { Argument, type Command } from 'commander'
import type { Client } from '../../sdk/client.ts'
import type { Compute, PortDoor, Visibility } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, shown } from '../output.ts'
import { table } from '../table.ts'
import { portNumber } from './open.ts'

const VISIBILITIES: readonly Visibility[] = ['private', 'group', 'public']

/** A port that listens, or of which somebody said who may open it. */
interface Port extends PortDoor {
  readonly listening: boolean
  readonly process: string | null
}

export const addPortCommands = (program: Command): void => {
  const port = program
    .command('port')
    .alias('ports')
    .description('what listens in a compute, and who may open it')
  port
    .command('ls')
    .alias('list')
    .description('list its ports; `dormouse open` opens one')
    .argument('<compute>')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute, client } = await context.compute(reference)
      const ports = await portsOf(client, compute)
      context.show(ports, () =>
        print(ports.length === 0 ? `Nothing listens in ${shown(compute.name)}.` : listing(ports)),
      )
    })
  port
    .command('set')
    .description('say who may open a port')
    .argument('<compute>')
    .argument('<port>', 'port that a program inside listens on', portNumber)
    .addArgument(
      new Argument(
        '<visibility>',
        'private: who may use the compute; group: its viewers too; public: anybody',
      ).choices(VISIBILITIES),
    )
    .action(
      async (
        reference: string,
        number: number,
        visibility: Visibility,
        _options,
        command: Command,
      ) => {
        const context = await contextOf(command)
        const { compute } = await context.compute(reference)
        const door = await context.client.ports.set(compute.id, number, visibility)
        context.show(door, ({ url }) => print(`${number}  ${visibility}  ${url}`))
      },
    )
}

const portsOf = async (client: Client, compute: Compute): Promise<readonly Port[]> => {
  const [doors, listening] = await Promise.all([
    client.ports.list(compute.id),
    // What does not run is not asked, for nothing in it listens.
    compute.state === 'running' ? client.ports.listening(compute.id) : [],
  ])
  const programs = new Map(listening.map(({ port, process }) => [port, process]))
  const visibilities = new Map(doors.items.map(({ port, visibility }) => [port, visibility]))
  return [...new Set([...programs.keys(), ...visibilities.keys()])]
    .sort((one, other) => one - other)
    .map((port) => ({
      port,
      visibility: visibilities.get(port) ?? 'private',
      url: compute.port_url.replace('{port}', String(port)),
      listening: programs.has(port),
      process: programs.get(port) ?? null,
    }))
}

const listing = (ports: readonly Port[]): string =>
  table(
    ['PORT', 'LISTENING', 'PROGRAM', 'VISIBILITY', 'URL'],
    ports.map(({ port, listening, process, visibility, url }) => [
      String(port),
      listening ? 'yes' : 'no',
      shown(process ?? '-'),
      visibility,
      url,
    ]),
  )
