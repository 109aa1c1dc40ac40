import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { apiConfig, gatewayConfig } from '../../config/config.ts'
import { secretsOf } from './home.ts'
import { serviceEnv } from './service-env.ts'

test('metrics have a token, the one that was set or else that of the folder', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'dormouse-home-'))
  const tokens = (outer: Readonly<Record<string, string>>) => {
    const env = serviceEnv({
      home,
      distDir: '/nowhere/dist',
      secrets: secretsOf(home),
      metricsToken: 'of the folder',
      ports: { api: 1, gateway: 2 },
      servers: { DATABASE_URL: 'postgres://x', S3_ENDPOINT: 'http://x' },
      firstLogin: { email: 'a@b.c', password: 'x' },
      outer,
    })
    return [apiConfig(env).metricsToken, gatewayConfig(env).metricsToken]
  }
  expect(tokens({})).toEqual(['of the folder', 'of the folder'])
  expect(tokens({ DORMOUSE_METRICS_TOKEN: '' })).toEqual(['of the folder', 'of the folder'])
  expect(tokens({ DORMOUSE_METRICS_TOKEN: 'mine' })).toEqual(['mine', 'mine'])
  rmSync(home, { recursive: true })
})
