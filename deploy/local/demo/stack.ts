/** Finds the platform the demo runs against, or starts one of its own that leaves nothing behind. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, type Client } from '../../../sdk/client.ts'
import { noAuth, staticToken, type Auth } from '../../../sdk/http.ts'
import { placesOf } from '../../cluster/places.ts'
import { openBoard } from '../board.ts'
import { leaveCluster } from '../computes-in-cluster.ts'
import { homeDir } from '../home.ts'
import { choosePorts } from '../ports.ts'
import { WISHES } from '../wishes.ts'

export interface DemoStack {
  readonly client: Client
  readonly about: string
  stop(): Promise<void>
}

const START_WITHIN_MS = 15 * 60_000

export const findStack = async (
  apiUrl: string | undefined,
  runtime: string,
): Promise<DemoStack> => {
  const apiOrigin = apiUrl ?? process.env['DORMOUSE_API_URL'] ?? 'http://127.0.0.1:8080'
  if (await answers(apiOrigin)) {
    const anonymous = openClient({ apiOrigin, gatewayOrigin: apiOrigin, auth: noAuth })
    const { gateway_origin: gatewayOrigin } = await anonymous.platform()
    const auth = await authFor(apiOrigin)
    return {
      client: openClient({ apiOrigin, gatewayOrigin, auth }),
      about: `the platform at ${apiOrigin}`,
      stop: async () => {},
    }
  }
  if (apiUrl !== undefined) throw new Error(`${apiUrl} does not answer`)
  return startOwn(runtime)
}

const startOwn = async (runtime: string): Promise<DemoStack> => {
  const home = await mkdtemp(path.join(tmpdir(), 'dormouse-demo-'))
  await chmod(home, 0o711) // Postgres runs as another user and must pass through
  const { ports } = await choosePorts(WISHES, {})
  const login = { email: 'demo@dormouse.local', password: randomBytes(12).toString('hex') }
  const log = createWriteStream(path.join(home, 'start.log'))
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'local.js'), '--runtime', runtime],
    {
      env: {
        ...process.env,
        DORMOUSE_HOME: home,
        // Its own home has no cluster; the one that cluster:up started is in the caller's.
        DORMOUSE_CLUSTER_DIR: placesOf().state,
        DORMOUSE_FIRST_EMAIL: login.email,
        DORMOUSE_FIRST_PASSWORD: login.password,
        ...Object.fromEntries(
          WISHES.flatMap((wish) =>
            'variable' in wish ? [[wish.variable, String(ports[wish.name])]] : [],
          ),
        ),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C is the demo's to handle, in its own order
    },
  )
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  const stop = async () => {
    await ended(child)
    if (runtime === 'kubernetes') await leave(home)
    await rm(home, { recursive: true, force: true })
  }
  const apiOrigin = `http://127.0.0.1:${ports.api}`
  const gatewayOrigin = `http://127.0.0.1:${ports.gateway}`
  try {
    const deadline = Date.now() + START_WITHIN_MS
    while (!((await answers(apiOrigin)) && (await answers(gatewayOrigin)))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(
          `the platform did not start:\n${await readFile(path.join(home, 'start.log'), 'utf8')}`,
        )
      await sleep(200)
    }
    return {
      client: openClient({ apiOrigin, gatewayOrigin, auth: loginAuth(apiOrigin, login) }),
      about: `a platform of its own in ${home}`,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const leave = async (home: string): Promise<void> => {
  const board = openBoard()
  await leaveCluster(home, board).finally(() => board.close())
}

const answers = (origin: string): Promise<boolean> =>
  fetch(new URL('/healthz', origin), { signal: AbortSignal.timeout(3_000) }).then(
    (response) => response.ok,
    () => false,
  )

/** DORMOUSE_API_KEY, DORMOUSE_EMAIL with DORMOUSE_PASSWORD, or what the first start of `npm start` wrote. */
const authFor = async (apiOrigin: string): Promise<Auth> => {
  const key = process.env['DORMOUSE_API_KEY']
  if (key !== undefined) return staticToken(key)
  const { DORMOUSE_EMAIL: email, DORMOUSE_PASSWORD: password } = process.env
  if (email !== undefined && password !== undefined)
    return loginAuth(apiOrigin, { email, password })
  const file = path.join(homeDir(), 'first-login.txt')
  const [firstEmail, firstPassword] = await readFile(file, 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  )
  if (firstEmail === undefined || firstPassword === undefined)
    throw new Error(
      `a platform answers at ${apiOrigin}, but there is no login for it: set DORMOUSE_API_KEY, or DORMOUSE_EMAIL and DORMOUSE_PASSWORD`,
    )
  return loginAuth(apiOrigin, { email: firstEmail, password: firstPassword })
}

const loginAuth = (apiOrigin: string, login: { email: string; password: string }): Auth => {
  const anonymous = openClient({ apiOrigin, gatewayOrigin: apiOrigin, auth: noAuth })
  let token: Promise<string> | undefined
  const logIn = () =>
    anonymous.login(login.email, login.password).then(({ accessToken }) => accessToken)
  return {
    token: () => (token ??= logIn()),
    renew: async () => {
      token = logIn()
      await token
      return true
    },
  }
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGINT')
  await exit
}
