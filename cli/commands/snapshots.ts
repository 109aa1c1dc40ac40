import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { saveNow } from '../../sdk/save-now.ts'
import type { Snapshot } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { exportTo } from '../copy/export.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { print, shown, tell } from '../output.ts'
import { takeAllTime } from '../patience.ts'
import { withSpinner } from '../settle.ts'
import { size } from '../size.ts'
import { resolveSnapshot, snapshotsOf } from '../snapshot.ts'
import { table } from '../table.ts'
import { ago } from '../when.ts'

export const addSnapshotCommands = (program: Command): void => {
  const snapshot = program
    .command('snapshot')
    .alias('snapshots')
    .description('the saves of a compute’s files; `fork --snapshot` starts a compute on one')
  snapshot
    .command('ls')
    .alias('list')
    .description('list them, newest first')
    .argument('<compute>')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      const all = await snapshotsOf(context.client, compute)
      context.show(all, () =>
        print(
          all.length === 0
            ? `Nothing of ${shown(compute.name)} is saved yet. Save it with \`dormouse snapshot create\`.`
            : listing(all),
        ),
      )
    })
  snapshot
    .command('create')
    .description('save its files now, without stopping it')
    .argument('<compute>')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      await withSpinner(`Saving ${shown(compute.name)}`, () => saveNow(context.client, compute.id))
      const [newest] = await snapshotsOf(context.client, compute)
      if (newest === undefined)
        throw new CliError(EXIT.failure, `Nothing of ${shown(compute.name)} was saved.`)
      // With nothing changed since, the one there is holds the files as they are.
      context.show(newest, () => print(`${newest.id}  saved ${ago(newest.created_at)}`))
    })
  snapshot
    .command('restore')
    .description('put a hibernated compute’s files back to a snapshot; later ones are kept')
    .argument('<compute>')
    .argument('<snapshot>')
    .action(async (reference: string, id: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      const found = await resolveSnapshot(context.client, compute, id)
      const restored = await context.client.filesystems.restore(compute.filesystem_id, found.id)
      context.show(restored, () =>
        print(
          `${shown(compute.name)}  wakes next with its files as saved ${ago(found.created_at)}`,
        ),
      )
    })
  snapshot
    .command('export')
    .description('write its files to this machine as a .tar.zst')
    .argument('<compute>')
    .argument('[snapshot]', 'default: the newest')
    .option('-o, --output <file>', 'where to; -: standard output; default: <compute>.tar.zst')
    .action(
      async (
        reference: string,
        id: string | undefined,
        options: { output?: string },
        command: Command,
      ) => {
        await takeAllTime()
        const context = await contextOf(command)
        const { client } = context
        const { compute } = await context.compute(reference)
        const found = id === undefined ? undefined : await resolveSnapshot(client, compute, id)
        const target = options.output ?? `${compute.name.replaceAll(/[^\w.-]/g, '_')}.tar.zst`
        if (options.output === undefined && existsSync(target))
          throw new CliError(EXIT.usage, `${target} is there already.`, 'Say where with --output.')
        const done = await withSpinner('Exporting', (spinner) =>
          exportTo(
            target,
            () => client.filesystems.export(compute.filesystem_id, found?.id),
            (bytes) => (spinner.text = `Exporting, ${size(bytes)}`),
          ),
        )
        if (target === '-') return
        context.show(done, ({ place, bytes }) => tell(`${size(bytes)} to ${shown(place)}`))
      },
    )
}

const listing = (snapshots: readonly Snapshot[]): string =>
  table(
    ['SAVED', 'BECAUSE', 'ENTRIES', 'SIZE', 'STORED', 'ID'],
    snapshots.map((one) => [
      ago(one.created_at),
      shown(one.reason),
      String(one.entries),
      size(one.size_bytes),
      size(one.stored_bytes),
      one.id,
    ]),
  )
