import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn as spawnPty } from 'node-pty'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startStack, type Stack } from '../test/support/stack.ts'
import { BIN, commandIn } from './testing/command.ts'

describe('dormouse, the command', () => {
  let stack: Stack
  let home: string
  let env: NodeJS.ProcessEnv
  let dormouse: ReturnType<typeof commandIn>

  beforeAll(async () => {
    stack = await startStack()
    home = await mkdtemp(path.join(tmpdir(), 'dormouse-cli-'))
    env = { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: home, TERM: 'xterm-256color' }
    dormouse = commandIn(env)
  })
  afterAll(async () => {
    await stack?.stop()
    await rm(home, { recursive: true, force: true })
  })

  const json = async (...args: readonly string[]) =>
    JSON.parse((await dormouse(['--json', ...args])).out) as Record<string, string>

  it('says its version', async () => {
    expect(await dormouse(['--version'])).toEqual({ out: '0.1.0\n', err: '', code: 0 })
  })

  it('says what to do when nobody is logged in, with code 3', async () => {
    const { code, err } = await dormouse(['ls'])
    expect(code).toBe(3)
    expect(err).toContain('dormouse login')
  })

  it('says what to do when nothing answers, with code 6', async () => {
    const args = ['login', '--api', 'http://127.0.0.1:9', '--email', 'a@b.c', '--password-stdin']
    const { code, err } = await dormouse(args, 'x')
    expect(code).toBe(6)
    expect(err).toContain('http://127.0.0.1:9 does not answer')
  })

  it('logs in and keeps the session where only its owner reads it', async () => {
    const login = ['login', '--api', stack.apiUrl, '--email', stack.email, '--password-stdin']
    const wrong = await dormouse(login, 'wrong')
    expect(wrong).toMatchObject({ code: 3, err: expect.stringContaining('password is wrong') })
    expect(wrong.err).not.toContain('dormouse login')
    expect(await dormouse(login, `${stack.password}\n`)).toMatchObject({ code: 0 })
    const file = path.join(home, 'dormouse/credentials.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(file, 'utf8')).not.toContain(stack.password)
  })

  it('renews an access token that ended, without a word', async () => {
    const file = path.join(home, 'dormouse/credentials.json')
    const kept = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
    await writeFile(file, JSON.stringify({ ...kept, accessToken: 'ended' }))
    expect(await dormouse(['ls'])).toMatchObject({ code: 0, err: '' })
  })

  it('creates a compute and lists it, in words and as JSON', async () => {
    const made = await dormouse(['create', 'work', '--env', 'GREETING=hello'])
    expect(made).toMatchObject({ code: 0 })
    expect(made.out).toMatch(/^[a-z][a-z0-9]{19} {2}work {2}running\n$/)
    expect((await dormouse(['ls'])).out).toMatch(/^NAME +STATE .*\nwork +running /)
    expect((await dormouse(['create', '--tier', 'huge'])).err).toBe(
      'Error: tier must be one of tiny, basic, standard, premium\n',
    )
    expect(await json('ls')).toMatchObject([{ name: 'work', state: 'running' }])
  })

  it('passes on output, errors, input and exit code of a command', async () => {
    expect(
      await dormouse(['exec', 'wor', 'cat; echo $GREETING; echo bad >&2; exit 7'], 'in\n'),
    ).toEqual({ out: 'in\nhello\n', err: 'bad\n', code: 7 })
    expect(await dormouse(['exec', 'work', '--', 'echo', '$HOME', '--json'])).toMatchObject({
      out: '$HOME --json\n',
    })
    expect(await dormouse(['exec', '--timeout', '1s', 'work', 'sleep 9'])).toMatchObject({
      code: 124,
    })
    expect(await dormouse(['exec', 'work', 'kill -9 $$'])).toMatchObject({ code: 137 })
  })

  it('carries megabytes through a command, both ways, without losing a byte', async () => {
    const bytes = randomBytes(5_000_000)
    const text = bytes.toString('hex')
    const { out } = await dormouse(['exec', 'work', 'cat'], text)
    expect(sha256(out)).toBe(sha256(text))
  })

  it('copies a folder there and back with modes and links, and a file into it', async () => {
    const from = path.join(home, 'from')
    await mkdir(path.join(from, 'a/b'), { recursive: true })
    await writeFile(path.join(from, 'a/b/run'), '#!/bin/sh\necho ran\n', { mode: 0o755 })
    await writeFile(path.join(from, 'big'), randomBytes(3_000_000))
    await symlink('a/b/run', path.join(from, 'link'))
    expect(await dormouse(['cp', from, 'work:tree'])).toMatchObject({ code: 0 })
    expect(await dormouse(['exec', 'work', 'tree/link'])).toMatchObject({ out: 'ran\n' })
    expect(await dormouse(['cp', 'work:tree', path.join(home, 'to')])).toMatchObject({ code: 0 })
    for (const file of ['a/b/run', 'big', 'link'])
      expect(await readFile(path.join(home, 'to', file))).toEqual(
        await readFile(path.join(from, file)),
      )
    expect((await stat(path.join(home, 'to/a/b/run'))).mode & 0o777).toBe(0o755)
    await dormouse(['cp', path.join(from, 'big'), 'work:tree/a'])
    expect((await dormouse(['exec', 'work', 'cmp tree/big tree/a/big'])).code).toBe(0)
    expect(await dormouse(['cp', 'work:nothing', home])).toMatchObject({ code: 4 })
  })

  it('is a terminal: types, resizes, survives the gateway, leaves and comes back', async () => {
    const shell = openPty(env, ['shell', 'work'])
    shell.write('echo one $((40 + 2)); stty size\r')
    await shell.sees(/one 42\r\n24 80/)
    shell.resize(100, 30)
    // The command hears of it by a signal, in its own time.
    await sleep(1_500)
    shell.write('stty size\r')
    await shell.sees(/30 100/)
    await stack.kill('gateway')
    await shell.sees(/connection lost/)
    shell.write('echo typed $((1 + 1)) blind\r')
    await stack.start('gateway')
    await shell.sees(/typed 2 blind/)
    shell.write('\r~.')
    expect(await shell.exit).toBe(0)
    const again = openPty(env, ['shell', 'work'])
    await again.sees(/typed 2 blind/)
    again.write('exit 9\r')
    expect(await again.exit).toBe(9)
  })

  it('does not wake what sleeps unless told, and a terminal asks', async () => {
    const shell = openPty(env, ['shell', 'work'])
    await shell.sees(/\$ $/)
    expect(await dormouse(['hibernate', 'work'])).toMatchObject({ out: 'work  hibernated\n' })
    await shell.sees(/work is hibernated .*Wake it\? \[Y\/n\]/)
    await sleep(2_000)
    expect((await json('ls')) as unknown).toMatchObject([{ state: 'hibernated' }])
    expect(await dormouse(['shell', 'work'])).toMatchObject({ code: 5 })
    shell.write('\r')
    await shell.sees(/Wake it[^]*\$ $/)
    shell.write('tree/link\r')
    await shell.sees(/\rran\r\n/)
    shell.write('exit\r')
    expect(await shell.exit).toBe(0)
  })

  it('says why, and what happened', async () => {
    const why = (await dormouse(['why', 'work'])).out
    expect(why).toContain('work is running: someone asked for it\n')
    expect(why).toMatch(/ by +\S.* <first@dormouse\.test> \(user\)\n/)
    await expect
      .poll(async () => (await dormouse(['logs', 'work'])).out, { timeout: 30_000 })
      .toMatch(/compute\.requested.* <first@dormouse\.test>[^]*hibernated[^]*running/)
  })

  it('forks, commits, and deletes what it is told to', async () => {
    await dormouse(['exec', 'work', 'mkdir -p /opt/env/bin && cp tree/a/b/run /opt/env/bin/ran'])
    expect(await dormouse(['commit', 'work', 'with-ran'])).toMatchObject({ code: 0 })
    expect(await dormouse(['create', 'second', '--image', 'with-ran'])).toMatchObject({ code: 0 })
    expect(await dormouse(['exec', 'second', 'ran'])).toMatchObject({ out: 'ran\n' })
    expect(await dormouse(['fork', 'work', 'third'])).toMatchObject({ code: 0 })
    expect(await dormouse(['exec', 'third', 'tree/link'])).toMatchObject({ out: 'ran\n' })
    expect(await dormouse(['rm', 'nobody'])).toMatchObject({ code: 4 })
    await dormouse(['exec', 'second', 'echo of second > mine'])
    expect(await dormouse(['rm', 'second'])).toMatchObject({ code: 0 })
    expect((await dormouse(['trash'])).out).toMatch(/second .* with-ran /)
    expect(await dormouse(['undelete', 'work'])).toMatchObject({ code: 4 })
    expect(await dormouse(['undelete', 'second', 'fourth'])).toMatchObject({ code: 0 })
    expect(await dormouse(['exec', 'fourth', 'ran; cat mine'])).toMatchObject({
      out: 'ran\nof second\n',
    })
    expect((await dormouse(['trash'])).out).toBe('Nothing is in the trash.\n')
    expect(await dormouse(['rm', '--purge', 'work', 'third', 'fourth'])).toMatchObject({ code: 0 })
    expect((await dormouse(['ls'])).out).toContain('You have no computes')
  })
})

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const openPty = (env: NodeJS.ProcessEnv, args: readonly string[]) => {
  const pty = spawnPty(process.execPath, [BIN, ...args], { env, cols: 80, rows: 24 })
  let seen = ''
  pty.onData((text) => (seen += text))
  return {
    write: (text: string) => pty.write(text),
    resize: (cols: number, rows: number) => pty.resize(cols, rows),
    exit: new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode))),
    sees: async (pattern: RegExp) => {
      const deadline = Date.now() + 40_000
      while (!pattern.test(seen)) {
        if (Date.now() > deadline) throw new Error(`it shows: ${JSON.stringify(seen.slice(-800))}`)
        await sleep(20)
      }
    },
  }
}
