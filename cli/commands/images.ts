import type { Command } from 'commander'
import { contextOf } from '../context.ts'
import type { Client } from '../../sdk/client.ts'
import { saveNow } from '../../sdk/save-now.ts'
import { pause } from '../../sdk/server-events.ts'
import type { Compute } from '../../sdk/types.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { createCompute, lineOf } from '../create-compute.ts'
import { print, shown } from '../output.ts'
import { resolveSnapshot } from '../snapshot.ts'
import { LOOK_EVERY_MS, withSpinner } from '../settle.ts'

export const addImageCommands = (program: Command): void => {
  program
    .command('commit')
    .description('make an image of the packages installed in a compute')
    .argument('<compute>')
    .argument('<image>', 'name of the new image')
    .action(async (reference: string, name: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      const image = await withSpinner(`Committing ${shown(compute.name)}`, async () => {
        let image = await context.client.computes.commit(compute.id, { name, wait: COMMIT_WAIT_S })
        while (image.state === 'pending') {
          await pause(1000)
          const { items } = await context.client.images.list()
          image = items.find(({ id }) => id === image.id) ?? image
        }
        return image
      })
      if (image.state !== 'ready')
        throw new CliError(
          EXIT.failure,
          `${name} was not made: ${image.problem?.message ?? image.state}`,
        )
      context.show(image, () => print(`${name}  use it with \`dormouse create --image ${name}\``))
    })
  program
    .command('fork')
    .description('start a second compute on a copy of the files, as they are now')
    .argument('<compute>')
    .argument('[name]', 'name of the new compute')
    .option('--saved', 'as they were last saved: takes no checkpoint first')
    .option('--snapshot <id>', 'as they were in a snapshot of `dormouse snapshot ls`')
    .action(
      async (
        reference: string,
        name: string | undefined,
        options: { saved?: boolean; snapshot?: string },
        command: Command,
      ) => {
        const context = await contextOf(command)
        const { client } = context
        const { compute } = await context.compute(reference)
        const fork = await withSpinner(`Forking ${shown(compute.name)}`, async (spinner) => {
          const snapshot =
            options.snapshot && (await resolveSnapshot(client, compute, options.snapshot))
          const asTheyAre = !options.saved && !snapshot
          if (asTheyAre && (await atRest(client, compute)).state === 'running')
            await saveNow(client, compute.id)
          const wanted = {
            name: name ?? `${compute.name}-fork`,
            ...(snapshot
              ? { from_snapshot: snapshot.id }
              : { from_filesystem: compute.filesystem_id }),
            group_id: compute.group_id,
            image_name: compute.image_id,
            tier: compute.tier,
          }
          return createCompute(client, wanted, spinner)
        })
        context.show(fork, (made) => print(lineOf(made)))
      },
    )
}

const COMMIT_WAIT_S = 60

/** What is being saved is not saved yet: a copy made now would be of the save before. */
const atRest = async (client: Client, compute: Compute): Promise<Compute> => {
  let current = compute
  while (current.state === 'hibernating') {
    await pause(LOOK_EVERY_MS)
    current = await client.computes.get(compute.id)
  }
  return current
}
