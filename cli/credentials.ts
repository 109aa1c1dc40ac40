import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'

/** What `dormouse login` keeps: one login, for one platform. */
export interface Credentials {
  readonly apiUrl: string
  readonly gatewayUrl?: string
  readonly email: string
  readonly accessToken: string
  readonly refreshToken: string
}

export const credentialsFile = (env: NodeJS.ProcessEnv = process.env): string =>
  path.join(
    env['XDG_CONFIG_HOME'] ?? path.join(homedir(), '.config'),
    'dormouse',
    'credentials.json',
  )

export const readCredentials = async (): Promise<Credentials | undefined> => {
  try {
    return JSON.parse(await readFile(credentialsFile(), 'utf8')) as Credentials
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`${credentialsFile()} cannot be read; remove it and log in again`, {
      cause: error,
    })
  }
}

/** Whole or not at all, and readable by nobody else, also when an older file was. */
export const writeCredentials = async (credentials: Credentials): Promise<void> => {
  const file = credentialsFile()
  const partial = `${file}.${process.pid}`
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(partial, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 })
  await chmod(partial, 0o600)
  await rename(partial, file)
}

export const removeCredentials = (): Promise<void> => rm(credentialsFile(), { force: true })
