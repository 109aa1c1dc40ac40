import type { Command } from 'commander'
import type { LifeEvent } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, styled, styledState, tell } from '../output.ts'

export const addLogsCommand = (program: Command): void => {
  program
    .command('logs')
    .description('show what happened to a compute, or to all of yours')
    .argument('[compute]')
    .option('-f, --follow', 'go on as it happens')
    .option('--all', 'from the beginning, not only the latest')
    .action(
      async (
        reference: string | undefined,
        options: { follow?: boolean; all?: boolean },
        command: Command,
      ) => {
        const context = await contextOf(command)
        const computeId =
          reference === undefined ? undefined : (await context.compute(reference)).compute.id
        const show = (event: LifeEvent) =>
          print(context.options.json ? JSON.stringify(event) : line(event, computeId === undefined))
        const past: LifeEvent[] = []
        let after: string | undefined
        for (;;) {
          const page = await context.client.events.page({
            limit: 200,
            ...(computeId && { computeId }),
            ...(after && { after }),
          })
          past.push(...page.items)
          after = page.next_cursor ?? past.at(-1)?.cursor
          if (page.next_cursor === null || page.items.length === 0) break
        }
        past.slice(options.all || context.options.json ? 0 : -LATEST).forEach(show)
        if (!options.follow) return
        const stop = new AbortController()
        process.once('SIGINT', () => stop.abort())
        for await (const event of context.client.events.follow({
          signal: stop.signal,
          onDrop: () => tell(styled('dim', 'connection lost, following again …', process.stderr)),
          ...(computeId && { computeId }),
          ...(after && { after }),
        }))
          show(event)
      },
    )
}

const LATEST = 50

const line = (event: LifeEvent, named: boolean): string =>
  [
    styled('dim', event.at.replace('T', ' ').replace(/\.\d+Z$/, 'Z')),
    ...(named ? [event.computeId ?? '-'] : []),
    event.state === null ? event.type : `${event.type} ${styledState(event.state)}`,
    ...(event.reason === null ? [] : [event.reason]),
    styled('dim', event.actor),
    ...facts(event.data),
  ].join('  ')

const facts = (data: LifeEvent['data']): string[] =>
  Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(
      ([key, value]) =>
        `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
    )
