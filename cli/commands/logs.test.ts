import { Command } from 'commander'
import { expect, it } from 'vitest'
import { addLogsCommand } from './logs.ts'

it('refuses a number of lines that is none, before anything is asked', async () => {
  for (const wrong of ['x', '0', '1.5', '1001']) {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} })
    addLogsCommand(program)
    program.commands[0]!.exitOverride().configureOutput({ writeErr: () => {} })
    await expect(program.parseAsync(['node', 'dormouse', 'logs', '-n', wrong])).rejects.toThrow(
      'Give a number from 1 to 1000',
    )
  }
})
