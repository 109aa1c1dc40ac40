import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { spawn as spawnPty } from 'node-pty'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startStack, type Stack } from '../test/support/stack.ts'
import { BIN, commandIn } from './testing/command.ts'

describe('dormouse, for what surrounds a compute', () => {
  let stack: Stack
  let home: string
  let env: NodeJS.ProcessEnv
  let dormouse: ReturnType<typeof commandIn>
  const inFolder = (name: string) => path.join(home, name)

  beforeAll(async () => {
    stack = await startStack()
    home = await mkdtemp(path.join(tmpdir(), 'dormouse-cli-'))
    env = { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: home, TZ: 'Europe/Zurich' }
    dormouse = commandIn(env)
    const login = ['login', '--api', stack.apiUrl, '--email', stack.email, '--password-stdin']
    await dormouse(login, stack.password)
    await dormouse(['create', 'work', '--tier', 'tiny'])
  })
  afterAll(async () => {
    await dormouse?.(['rm', '--purge', 'work', 'older'])
    await stack?.stop()
    await rm(home, { recursive: true, force: true })
  })

  const json = async (...args: readonly string[]) =>
    JSON.parse((await dormouse([...args, '--json'])).out)

  it('lists its commands by what they are for, and knows --json below a command too', async () => {
    const { out } = await dormouse(['--help'])
    expect(out).toMatch(/Who you are:[^]* whoami[^]*Computes:[^]* create [^]* schedule/)
    expect(await json('whoami')).toMatchObject({ email: stack.email })
    expect(await json('group', '--json', 'ls')).toMatchObject([{ personal: true }])
    expect(await dormouse(['group'])).toMatchObject({ code: 2, out: '' })
    expect(await dormouse(['port', 'set', 'work', '3000', 'open'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('private, group, public'),
    })
  })

  it('sets a schedule, shows when it acts next, and clears it', async () => {
    expect((await dormouse(['schedule', 'show', 'work'])).out).toBe(
      'work has no schedule. Give it one with `dormouse schedule set`.\n',
    )
    expect(await dormouse(['schedule', 'set', 'work'])).toMatchObject({ code: 2 })
    const wrong = await dormouse(['schedule', 'set', 'work', '--wake', '99 * * * *'])
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('is not a cron line') })
    const lines = ['--hibernate', '0 19 * * 1-5', '--hibernate', '0 12 * * 6']
    const set = await dormouse(['schedule', 'set', 'work', ...lines, '--wake', '0 8 * * *'])
    expect(set.out).toMatch(
      /^DOES .*\nwake +0 8 \* \* \* +Europe\/Zurich +in \d+[hms]\nhibernate +0 19 .*\nhibernate +0 12 .*\n$/,
    )
    expect(await json('schedule', 'show', 'work')).toEqual({
      timezone: 'Europe/Zurich',
      hibernate: ['0 19 * * 1-5', '0 12 * * 6'],
      wake: ['0 8 * * *'],
    })
    expect(await dormouse(['schedule', 'clear', 'work'])).toMatchObject({ code: 0 })
    expect(await json('schedule', 'show', 'work')).toBeNull()
  })

  it('says what listens, and lets the public in and out', async () => {
    expect((await dormouse(['port', 'ls', 'work'])).out).toBe('Nothing listens in work.\n')
    const serve = `require('http').createServer((q, r) => r.end('served')).listen(3000)`
    await dormouse(['exec', 'work', `nohup node -e "${serve}" >/dev/null 2>&1 &`])
    await expect
      .poll(async () => (await dormouse(['port', 'ls', 'work'])).out, { timeout: 30_000 })
      .toMatch(/\n3000 +yes +node +private +http:\/\/3000-/)
    const set = await json('port', 'set', 'work', '3000', 'public')
    expect(set).toMatchObject({ port: 3000, visibility: 'public' })
    // By the gateway's own address: not every resolver knows the names below localhost. The gateway hears
    // of it in its own time.
    const host = `Host: ${new URL(set.url).host}`
    const visit = () => promisify(execFile)('curl', ['-sS', stack.gatewayUrl, '-H', host])
    await expect.poll(async () => (await visit()).stdout, { timeout: 30_000 }).toBe('served')
    await dormouse(['port', 'set', 'work', '3000', 'private'])
    expect(await json('port', 'ls', 'work')).toMatchObject([
      { port: 3000, visibility: 'private', listening: true },
    ])
  })

  it('makes an API key that is printed once and alone, works, and stops working', async () => {
    const made = await dormouse(['key', 'create', 'ci', '--expires', '90d'])
    const key = made.out.trim()
    expect(made.out).toMatch(/^dmk_\S+\n$/)
    expect(made.err).not.toContain(key)
    const withKey = commandIn({ ...env, DORMOUSE_API_KEY: key, DORMOUSE_API_URL: stack.apiUrl })
    expect((await withKey(['ls', '-q'])).code).toBe(0)
    expect(await withKey(['key', 'ls'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('DORMOUSE_API_KEY was used'),
    })
    const list = await dormouse(['key', 'ls'])
    expect(list.out).toMatch(/\nci .* in 90d +[a-z][a-z0-9]{19}\n$/)
    expect(list.out).not.toContain(key)
    // What a key did carries its name where its owner reads it.
    await withKey(['extend', 'work', '--idle', '20m'])
    expect((await dormouse(['logs', 'work'])).out).toContain('API key ci')
    expect(await dormouse(['key', 'rm', 'ci'])).toMatchObject({ code: 0, out: 'ci  revoked\n' })
    expect(await withKey(['ls'])).toMatchObject({ code: 3 })
    expect(await dormouse(['key', 'rm', 'ci'])).toMatchObject({ code: 4 })
    for (const service of ['api', 'gateway'] as const)
      expect(await stack.log(service)).not.toContain(key)
  })

  it('makes a user and a group, and says who is in it', async () => {
    const user = ['user', 'create', 'bob@dormouse.test', '--name', 'Bob', '--password-stdin']
    expect(await dormouse(user, 'a long pass phrase of bob\n')).toMatchObject({ code: 0 })
    expect((await dormouse(user, 'again')).code).toBe(2)
    expect((await dormouse(['group', 'create', 'team'])).out).toMatch(
      /^[a-z][a-z0-9]{19} {2}team\n$/,
    )
    const nobody = await dormouse(['group', 'add', 'team', 'nobody@dormouse.test'])
    expect(nobody).toMatchObject({
      code: 4,
      err: expect.stringContaining('no user has this email'),
    })
    const add = ['group', 'add', 'team', 'bob@dormouse.test', '--role']
    expect((await dormouse([...add, 'viewer'])).out).toBe('bob@dormouse.test  viewer\n')
    expect((await dormouse(['group', 'members', 'team'])).out).toMatch(
      /^EMAIL .*\nbob@dormouse\.test +Bob +viewer\nfirst@dormouse\.test .* owner\n$/,
    )
    expect(await json('create', 'shared', '--group', 'team', '--no-wait')).toMatchObject({
      name: 'shared',
    })
    expect(await dormouse(['rm', '--purge', 'shared'])).toMatchObject({ code: 0 })
    const remove = ['group', 'remove', 'team', 'Bob@dormouse.test']
    expect(await dormouse(remove)).toMatchObject({ code: 0 })
    expect(await dormouse(remove)).toMatchObject({ code: 4 })
  })

  it('saves, goes back, forks an older save, and exports one', async () => {
    await dormouse(['exec', 'work', 'echo one > note'])
    const first = await json('snapshot', 'create', 'work')
    await dormouse(['exec', 'work', 'echo two > note'])
    expect((await dormouse(['snapshot', 'create', 'work'])).out).toMatch(
      /^\S+ {2}saved \d+s ago\n$/,
    )
    expect((await dormouse(['snapshot', 'ls', 'work'])).out.match(/ checkpoint /g)).toHaveLength(2)
    expect(await dormouse(['fork', 'work', 'older', '--snapshot', first.id])).toMatchObject({
      code: 0,
    })
    expect((await dormouse(['exec', 'older', 'cat note'])).out).toBe('one\n')

    const restore = ['snapshot', 'restore', 'work', first.id]
    expect(await dormouse(restore)).toMatchObject({
      code: 5,
      err: expect.stringContaining('hibernate'),
    })
    await dormouse(['hibernate', 'work'])
    expect(await dormouse(restore)).toMatchObject({ code: 0 })
    expect(await dormouse(['snapshot', 'restore', 'work', 'nothing'])).toMatchObject({ code: 4 })

    const file = inFolder('work.tar.zst')
    expect(await dormouse(['snapshot', 'export', 'work', '-o', file])).toMatchObject({ code: 0 })
    // Every zstd frame begins so.
    expect((await readFile(file)).subarray(0, 4).toString('hex')).toBe('28b52ffd')
    expect((await json('snapshot', 'export', 'work', first.id, '-o', file)).place).toBe(file)
    const absent = await dormouse(['snapshot', 'export', 'nobody', '-o', inFolder('no.tar.zst')])
    expect(absent).toMatchObject({ code: 4, out: '' })
    expect((await dormouse(['exec', 'work', 'cat note'])).out).toBe('one\n')
  })

  it('keeps files in a filesystem of their own, whatever becomes of the compute', async () => {
    const { id } = await json('filesystem', 'create', 'shelf')
    await dormouse(['create', 'reader', '--tier', 'tiny', '--filesystem', id])
    await dormouse(['exec', 'reader', 'echo kept > book'])
    expect((await dormouse(['fs', 'ls'])).out).toMatch(/\nshelf +reader +\d+s ago +[a-z]/)
    const busy = await dormouse(['fs', 'rm', 'shelf'])
    expect(busy).toMatchObject({
      code: 5,
      err: expect.stringMatching(/delete that[^]*filesystem ls/),
    })
    expect(busy.err).not.toMatch(/hibernate/i)
    await dormouse(['rm', '--purge', 'reader'])
    expect((await dormouse(['fs', 'ls'])).out).toMatch(/\nshelf +- +/)
    await dormouse(['create', 'reader', '--tier', 'tiny', '--filesystem', 'shelf'])
    expect((await dormouse(['exec', 'reader', 'cat book'])).out).toBe('kept\n')
    await dormouse(['rm', 'reader'])
    expect(await dormouse(['fs', 'rm', 'shelf'])).toMatchObject({ out: 'shelf  in the trash\n' })
    expect((await dormouse(['trash'])).out).toContain(id)
  })

  it('waits on a terminal of no width without drawing on it for ever', async () => {
    const script = 'stty cols 0 && exec "$@"'
    const argv = ['-c', script, 'sh', process.execPath, BIN, 'snapshot', 'create', 'work']
    const pty = spawnPty('sh', argv, { env, cols: 80, rows: 24 })
    const hung = setTimeout(() => pty.kill('SIGKILL'), 30_000)
    let seen = ''
    pty.onData((text) => (seen = (seen + text).slice(0, 200)))
    await new Promise((resolve) => pty.onExit(resolve))
    clearTimeout(hung)
    expect(seen).toMatch(/^\S+ {2}saved \d+s ago\r\n$/)
  })

  it('lists images and deletes those of one’s own', async () => {
    expect((await dormouse(['image', 'ls'])).out).toMatch(
      /^NAME .*\n(.*\n)*host +ready +the platform /,
    )
    const info = '/opt/env/lib/site-packages/tool-1.2.dist-info'
    await dormouse(['exec', 'work', `mkdir -p ${info} && echo hi > ${info}/METADATA`])
    expect(await dormouse(['commit', 'work', 'mine'])).toMatchObject({ code: 0 })
    expect((await dormouse(['image', 'ls'])).out).toMatch(/\nmine +ready /)
    expect(await json('image', 'packages', 'mine')).toMatchObject([
      { name: 'tool', version: '1.2' },
    ])
    const reference = 'docker.io/library/debian:12'
    expect(await dormouse(['image', 'add', 'debian', reference])).toMatchObject({
      code: 2,
      err: expect.stringContaining('kubernetes'),
    })
    expect(await dormouse(['image', 'rm', 'host'])).toMatchObject({ code: 4 })
    expect(await dormouse(['image', 'rm', 'mine'])).toMatchObject({
      code: 0,
      out: 'mine  deleted\n',
    })
    expect((await dormouse(['image', 'ls'])).out).not.toMatch(/\nmine /)
  })
})
