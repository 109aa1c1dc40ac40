/**
 * `npm run demo`: the whole life of a compute on real input, against a running platform or one of
 * its own. Every line it prints is checked; at the first that is not true it ends with 1.
 */
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Client } from '../../sdk/client.ts'
import { isProblem } from '../../sdk/problem.ts'
import type { Compute, NewCompute } from '../../sdk/types.ts'
import { HASH_TREE, PACKAGE_FILES, PROGRAM, PROGRAM_PRINTS } from './demo/inside.ts'
import { tracesOn } from './demo/traces.ts'
import { sourceTree } from './demo/source-tree.ts'
import { findStack, type DemoStack } from './demo/stack.ts'
import { claim, openSteps, Untrue } from './demo/steps.ts'
import { sitDown } from './demo/typist.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const WAIT_S = 60
const IDLE_TIMEOUT_S = 3
const FEWEST_FILES = 3_000
const HOME_OF: Readonly<Record<string, string>> = { kubernetes: 'pod, container or process' }
const RUN = Date.now().toString(36)

const { values: options } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'local' },
    api: { type: 'string' },
  },
})

const traces = tracesOn(options.runtime)
const { step, table } = openSteps()
const made = { computes: [] as string[], filesystems: [] as string[], images: [] as string[] }

const story = async (client: Client): Promise<void> => {
  const tree = await sourceTree(ROOT)
  const create = async (wanted: NewCompute): Promise<Compute> => {
    const compute = await client.computes.create(wanted, { wait: WAIT_S })
    made.computes.push(compute.id)
    claim(compute.state === 'running', `the compute runs; it is ${compute.state}`)
    claim(
      compute.runtime === options.runtime,
      `it runs on ${options.runtime}; it runs on ${compute.runtime}`,
    )
    return compute
  }
  const run = async (id: string, command: string): Promise<string> => {
    const done = await client.capture(id, { command, timeoutMs: 300_000 })
    claim(done.exitCode === 0, `\`${command}\` succeeds; it says: ${done.stderr.slice(-1_500)}`)
    return done.stdout.trim()
  }
  const hashTree = async (id: string) => {
    await client.files(id).write('/tmp/hash-tree.mjs', HASH_TREE)
    const folders = '/home/user/src /home/user/answer /opt/env'
    const out = await run(id, `/.dormouse/node /tmp/hash-tree.mjs ${folders}`)
    return JSON.parse(out) as { hash: string; files: number; bytes: number }
  }

  const { id } = await step('create a compute', async (say) => {
    const compute = await create({ name: `demo-${RUN}`, idle_timeout: 120 })
    say(`${compute.id}, limits ${compute.limits}`)
    return compute
  })

  await step('send a real source tree and unpack it', async (say) => {
    claim(tree.files >= FEWEST_FILES, `the tree has ${FEWEST_FILES} files; it has ${tree.files}`)
    const sent = await client.files(id).write('/tmp/tree.tar', tree.tar())
    const modules = '/home/user/src/node_modules'
    await run(id, `mkdir -p ${modules} && tar -xf /tmp/tree.tar -C ${modules} && rm /tmp/tree.tar`)
    const files = Number(await run(id, `find ${modules} -type f | wc -l`))
    claim(files === tree.files, `all ${tree.files} files arrived; ${files} did`)
    say(`${files} files, ${megabytes(sent.sizeBytes)}`)
  })

  await step('run a program on it', async (say) => {
    await client.files(id).write('/home/user/src/page.mjs', PROGRAM)
    const printed = await run(id, 'node /home/user/src/page.mjs')
    claim(printed === PROGRAM_PRINTS, `it prints ${PROGRAM_PRINTS}; it prints ${printed}`)
    say(printed)
  })

  await step('install a package', async (say) => {
    for (const [name, text] of Object.entries(PACKAGE_FILES))
      await client.files(id).write(`/tmp/greeter/${name}`, text, { mode: 0o755 })
    await run(
      id,
      'cd /tmp/greeter && npm pack --silent && npm install -g --offline --no-audit --no-fund ./*.tgz',
    )
    const printed = await run(id, 'dormouse-greeter')
    claim(
      printed.startsWith('greetings from /opt/env/'),
      `it runs from /opt/env; it says ${printed}`,
    )
    say(printed)
  })

  await step('type into a terminal and see the answer', async (say) => {
    const typist = sitDown(client, id)
    typist.type('echo "6 x 7 = $((6 * 7))" | tee answer\r')
    await typist.sees(/6 x 7 = 42/)
    typist.leave()
    say('6 x 7 = 42')
  })

  const before = await step('hash every file', async (say) => {
    const result = await hashTree(id)
    claim(result.files > tree.files, `the hash covers the tree; it covers ${result.files} files`)
    say(`${result.hash.slice(0, 16)}… over ${result.files} files, ${megabytes(result.bytes)}`)
    return result
  })

  await step('leave it alone until it hibernates', async (say) => {
    const up = await traces.of(id)
    claim(up.length > 0, 'the compute can be seen from outside while it is up')
    await client.computes.extend(id, { idle_timeout: IDLE_TIMEOUT_S, wait: WAIT_S })
    const compute = await untilState(client, id, 'hibernated')
    claim(
      compute.reason === 'idle',
      `it sleeps because it was idle; the reason is ${compute.reason}`,
    )
    say(`after ${IDLE_TIMEOUT_S} s without use; ${compute.why.stoppedBecause ?? ''}`)
  })

  await step('see that nothing of it runs', async (say) => {
    const left = await traces.of(id)
    claim(left.length === 0, `nothing of it is left; this is: ${left.join(', ')}`)
    const refused = await client.gateway
      .send('GET', `/compute/${id}/files`, {
        query: { path: '/home/user' },
        headers: { 'x-dormouse-no-wake': '1', 'x-dormouse-wake': '0' },
      })
      .then(
        () => false,
        (error: unknown) => isProblem(error),
      )
    const { state } = await client.computes.get(id)
    claim(refused && state === 'hibernated', 'a request that only looks does not wake it')
    say(`no ${HOME_OF[options.runtime] ?? 'process'}; a look at it woke nothing`)
  })

  await step('wake it by opening a terminal', async (say) => {
    const typist = sitDown(client, id)
    typist.type('cat answer\r')
    await typist.sees(/6 x 7 = 42/)
    typist.leave()
    await client.computes.extend(id, { idle_timeout: 600, wait: WAIT_S })
    const { generation } = await client.computes.get(id)
    // More than two where a busy machine let the short idle timer end before the terminal was there.
    claim(generation >= 2, `it was started again; this is start number ${generation}`)
    say('the file is there')
  })

  await step('hash every file again', async (say) => {
    const after = await hashTree(id)
    claim(after.hash === before.hash, `the hash is the same; it is ${after.hash}`)
    say(`${after.hash.slice(0, 16)}… the same`)
  })

  await step('commit an image, start another compute from it', async (say) => {
    const image = await client.computes.commit(id, { name: `demo-${RUN}`, wait: WAIT_S })
    made.images.push(image.id)
    claim(image.state === 'ready', `the image is ready; it is ${image.state}`)
    const second = await create({ name: `demo-${RUN}-second`, image_name: image.name })
    const printed = await run(second.id, 'dormouse-greeter')
    claim(printed.startsWith('greetings from '), `the package is there; it says ${printed}`)
    const home = await run(second.id, 'ls -A /home/user')
    claim(!home.includes('src'), `the files are not in the image; there is ${home}`)
    say(`${second.id} has the package and not the files`)
  })

  await step('fork the files into a third compute', async (say) => {
    const { filesystem_id, image_id } = await client.computes.get(id)
    await client.computes.checkpoint(id, { wait: WAIT_S })
    const fork = await client.filesystems.fork(filesystem_id, { name: `demo-${RUN}-fork` })
    made.filesystems.push(fork.id)
    const third = await create({
      name: `demo-${RUN}-third`,
      image_name: image_id,
      filesystem_id: fork.id,
    })
    const printed = await run(third.id, 'cat answer && node src/page.mjs')
    claim(printed === `6 x 7 = 42\n${PROGRAM_PRINTS}`, `the files are there; it prints ${printed}`)
    say(`${third.id} has the files, and runs the program`)
  })

  await step('delete everything', async (say) => {
    await cleanUp(client)
    const left = (await Promise.all(made.computes.map(traces.of))).flat()
    claim(left.length === 0, `nothing of them is left; this is: ${left.join(', ')}`)
    say(`${made.computes.length} computes, no ${HOME_OF[options.runtime] ?? 'process'} left`)
  })
}

const untilState = async (client: Client, id: string, state: string): Promise<Compute> => {
  const deadline = Date.now() + 120_000
  for (;;) {
    const compute = await client.computes.get(id)
    if (compute.state === state) return compute
    claim(Date.now() < deadline, `it becomes ${state}; it is ${compute.state} (${compute.reason})`)
    await sleep(100)
  }
}

const cleanUp = async (client: Client): Promise<void> => {
  for (const id of made.computes) {
    const { state } = await client.computes.remove(id, { wait: WAIT_S, purge: true })
    claim(state === 'terminated', `compute ${id} is terminated; it is ${state}`)
  }
  for (const id of made.filesystems) await client.filesystems.remove(id, { purge: true })
  for (const id of made.images) await client.images.remove(id)
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

let stack: DemoStack | undefined
const leave = async (exitCode: number): Promise<never> => {
  await stack?.stop().catch((error: Error) => process.stderr.write(`  ${error.message}\n`))
  process.exit(exitCode)
}
process.once('SIGINT', () => {
  const undone = stack === undefined ? Promise.resolve() : cleanUp(stack.client)
  void undone.catch(() => {}).then(() => leave(130))
})

try {
  process.stdout.write('\n  The life of a compute\n\n')
  stack = await step('find the platform, or start one', async (say) => {
    const found = await findStack(options.api, options.runtime)
    say(found.about)
    return found
  })
  await story(stack.client)
  process.stdout.write(`\n${table()}\n  Every line above was checked.\n\n`)
  await leave(0)
} catch (error) {
  const what = error instanceof Error ? error.message : String(error)
  const said = error instanceof Untrue ? `Not true: ${what}` : `Failed: ${what}`
  process.stderr.write(`\n  ${said}\n\n`)
  if (stack !== undefined) await cleanUp(stack.client).catch(() => {})
  await leave(1)
}
