import type { Command } from 'commander'
import { contextOf } from '../context.ts'
import { download } from '../copy/download.ts'
import { parsePlace } from '../copy/place.ts'
import { upload } from '../copy/upload.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { printJson, shown, tell } from '../output.ts'
import { takeAllTime } from '../patience.ts'
import { withSpinner } from '../settle.ts'
import { size } from '../size.ts'

export const addCopyCommand = (program: Command): void => {
  program
    .command('cp')
    .description('copy files and folders: cp ./here compute:there, or cp compute:there ./here')
    .argument('<from>')
    .argument('<to>')
    .action(async (from: string, to: string, _options, command: Command) => {
      const [source, target] = [parsePlace(from), parsePlace(to)]
      if (source.kind === target.kind)
        throw new CliError(
          EXIT.usage,
          'One side must be in a compute, the other on this machine.',
          'Write the one in the compute as compute:path.',
        )
      await takeAllTime()
      const context = await contextOf(command)
      const remote =
        source.kind === 'remote' ? source.compute : (target as { compute: string }).compute
      const { compute, client } = await context.compute(remote)
      let bytes = 0
      const place = await withSpinner('Copying', (spinner) => {
        const onBytes = (count: number) => {
          bytes += count
          spinner.text = `Copying, ${size(bytes)}`
        }
        return source.kind === 'local'
          ? upload(client, compute.id, source.path, target.path, onBytes)
          : download(client, compute.id, source.path, target.path, onBytes)
      })
      if (context.options.json) printJson({ place, bytes })
      else
        tell(
          `${size(bytes)} to ${target.kind === 'remote' ? `${shown(compute.name)}:` : ''}${shown(place)}`,
        )
    })
}
