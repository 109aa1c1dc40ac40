import { InvalidArgumentError, type Command } from 'commander'
import type { LifeEvent, Page } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, shown, styled, styledState, tell } from '../output.ts'
import { peopleOf } from '../people.ts'

export const addLogsCommand = (program: Command): void => {
  program
    .command('logs')
    .description('show what happened to a compute, or to all of yours')
    .argument('[compute]')
    .option('-f, --follow', 'go on as it happens')
    .option('-n, --number <count>', 'how many of the latest; default 50', count)
    .option('--all', 'from the beginning, not only the latest')
    .action(
      async (
        reference: string | undefined,
        options: { follow?: boolean; all?: boolean; number?: number },
        command: Command,
      ) => {
        const context = await contextOf(command)
        const computeId =
          reference === undefined ? undefined : (await context.compute(reference)).compute.id
        const who = peopleOf(context.client)
        const show = async (event: LifeEvent) => {
          if (context.options.json) return print(JSON.stringify(event))
          print(line(event, await who(event.actor, event.groupId), computeId === undefined))
        }
        const past = { ...(computeId && { computeId }) }
        const latest = await context.client.events.page(
          options.all ? { ...past, limit: PAGE } : { ...past, tail: options.number ?? LATEST },
        )
        for (const event of latest.items) await show(event)
        let after = latest.next_cursor ?? undefined
        while (options.all && after !== undefined) {
          const page: Page<LifeEvent> = await context.client.events.page({
            ...past,
            limit: PAGE,
            after,
          })
          for (const event of page.items) await show(event)
          if (page.items.length === 0) break
          after = page.next_cursor ?? after
        }
        if (!options.follow) return
        const stop = new AbortController()
        process.once('SIGINT', () => stop.abort())
        for await (const event of context.client.events.follow({
          signal: stop.signal,
          onDrop: () => tell(styled('dim', 'connection lost, following again …', process.stderr)),
          ...(computeId && { computeId }),
          ...(after && { after }),
        }))
          await show(event)
      },
    )
}

const LATEST = 50
const PAGE = 1000

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > PAGE)
    throw new InvalidArgumentError(`Give a number from 1 to ${PAGE}; --all shows everything.`)
  return value
}

const line = (event: LifeEvent, by: string, named: boolean): string =>
  [
    styled('dim', event.at.replace('T', ' ').replace(/\.\d+Z$/, 'Z')),
    ...(named ? [event.computeId ?? '-'] : []),
    event.state === null ? event.type : `${event.type} ${styledState(event.state)}`,
    ...(event.reason === null ? [] : [shown(event.reason)]),
    styled('dim', shown(by)),
    ...facts(event.data),
  ].join('  ')

const facts = (data: LifeEvent['data']): string[] =>
  Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(
      ([key, value]) =>
        `${key}=${typeof value === 'object' ? JSON.stringify(value) : shown(String(value))}`,
    )
