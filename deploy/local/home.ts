/** The state directory: where it is, its lock, and the secrets made in it once. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { isAlive, markOf, type ProcessMark } from './proc.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Secrets {
  readonly postgresPassword: string
  readonly s3AccessKeyId: string
  readonly s3SecretAccessKey: string
  /** PKCS#8 Ed25519, base64 DER. */
  readonly signingKey: string
  /** 32 bytes, base64. */
  readonly sealKey: string
  readonly firstPassword: string
}

/**
 * DORMOUSE_HOME, else the user's data folder. Root's own is closed to others, and Postgres, which does
 * not run as root, must pass through: root's is /var/lib/dormouse.
 */
export const homeDir = (env: Env = process.env): string => {
  if (env['DORMOUSE_HOME']) return path.resolve(env['DORMOUSE_HOME'])
  if (env['XDG_DATA_HOME']) return path.join(env['XDG_DATA_HOME'], 'dormouse')
  return process.getuid?.() === 0
    ? '/var/lib/dormouse'
    : path.join(homedir(), '.local/share/dormouse')
}

/** Made once, mode 0600. Losing the seal key loses every stored secret, so it is never made anew. */
export const secretsOf = (home: string): Secrets => {
  const file = path.join(home, 'secrets.json')
  return JSON.parse(madeOnce(file, () => JSON.stringify(newSecrets(), null, 2))) as Secrets
}

/**
 * Who scrapes /metrics says it as bearer token. Made once, mode 0600, in a file of its own: a Prometheus
 * reads it there.
 */
export const metricsTokenOf = (home: string): string =>
  madeOnce(path.join(home, 'metrics-token'), () => randomBytes(24).toString('hex')).trim()

export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning'
}

/** Takes the directory for this process; AlreadyRunning names the living holder. Answers the release. */
export const lockHome = (home: string): (() => void) => {
  const mark = markOf(process.pid)
  if (mark === undefined) throw new Error('/proc is not mounted')
  const file = path.join(home, 'launcher.json')
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify(mark))
  try {
    for (;;) {
      if (tryLink(mine, file)) return () => rmSync(file, { force: true })
      const holder = readHolder(file)
      if (holder !== undefined && isAlive(holder))
        throw new AlreadyRunning(
          `Dormouse already runs on ${home}, as process ${holder.pid}. Stop it (Ctrl-C there, or kill ${holder.pid}), or set DORMOUSE_HOME to another folder for a second one.`,
        )
      rmSync(file, { force: true })
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

export const prepareHome = (home: string): void => {
  mkdirSync(home, { recursive: true, mode: 0o711 })
  const { uid, mode } = statSync(home)
  const me = process.getuid?.()
  // Root's Postgres runs as another user, who passes through; every secret in here has its own mode.
  if (me === 0 && (mode & 0o011) !== 0o011) chmodSync(home, (mode & 0o777) | 0o011)
  if (me !== undefined && uid !== me && me !== 0)
    throw new Error(
      `${home} belongs to another user (uid ${uid}); set DORMOUSE_HOME to a folder of yours`,
    )
}

const madeOnce = (file: string, make: () => string): string => {
  if (!existsSync(file)) {
    const partial = `${file}.${process.pid}`
    writeFileSync(partial, make(), { mode: 0o600, flush: true })
    linkSync(partial, file)
    rmSync(partial)
  }
  return readFileSync(file, 'utf8')
}

const newSecrets = (): Secrets => ({
  postgresPassword: randomBytes(24).toString('hex'),
  s3AccessKeyId: randomBytes(10).toString('hex'),
  s3SecretAccessKey: randomBytes(24).toString('hex'),
  signingKey: generateKeyPairSync('ed25519')
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64'),
  sealKey: randomBytes(32).toString('base64'),
  firstPassword: randomBytes(9).toString('base64url'),
})

const tryLink = (from: string, to: string): boolean => {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const readHolder = (file: string): ProcessMark | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessMark
  } catch {
    return undefined
  }
}
