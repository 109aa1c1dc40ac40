import { spawn } from 'node:child_process'
import { InvalidArgumentError, type Command } from 'commander'
import { contextOf } from '../context.ts'
import { print } from '../output.ts'

export const addOpenCommand = (program: Command): void => {
  program
    .command('open')
    .description('print the address of a port, with a ticket good for one visit, and open it')
    .argument('<compute>')
    .argument('<port>', 'port that a program inside listens on', portNumber)
    .option('--print', 'print only, open nothing')
    .action(
      async (reference: string, port: number, options: { print?: boolean }, command: Command) => {
        const context = await contextOf(command)
        const { compute } = await context.compute(reference)
        const door = await context.client.door({ compute_id: compute.id, purpose: 'port', port })
        context.show(door, ({ url }) => print(url))
        if (!options.print && !context.options.json && process.stdout.isTTY) openBrowser(door.url)
      },
    )
}

export const portNumber = (text: string): number => {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('Give a port from 1 to 65535.')
  return port
}

const openBrowser = (url: string): void => {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [url], { detached: true, stdio: 'ignore' })
  child.on('error', () => {}) // the address is printed; that must do where nothing can open it
  child.unref()
}
