import { describe, expect, it } from 'vitest'
import { shellEnv, terminalShell } from './shell-env.ts'

const places = { home: '/home/user', env: '/opt/env', scratch: '/tmp' }

describe('the environment of shells', () => {
  it('has nothing of the sidekick’s own but what an image says about its tools', () => {
    const own = {
      PATH: '/img/bin',
      RUSTUP_HOME: '/usr/local/rustup',
      DATABASE_URL: 'x',
      NODE_OPTIONS: 'y',
    }
    const env = shellEnv(places, own, {})
    expect(env['PATH']).toMatch(/^\/opt\/env\/bin:.*:\/opt\/env\/go\/bin:\/img\/bin$/)
    expect(env['RUSTUP_HOME']).toBe('/usr/local/rustup')
    expect(Object.keys(env)).not.toContain('DATABASE_URL')
    expect(Object.keys(env)).not.toContain('NODE_OPTIONS')
    expect(Object.keys(env).filter((name) => /DORMOUSE|KUBERNETES/.test(name))).toEqual([])
  })

  it('lets what was given for the compute win', () => {
    const env = shellEnv(places, {}, { LANG: 'de_DE.UTF-8', SECRET: 's' })
    expect([env['LANG'], env['SECRET'], env['HOME']]).toEqual(['de_DE.UTF-8', 's', '/home/user'])
  })

  it('sends every installer to /opt/env and every cache to scratch', () => {
    const env = shellEnv(places, {}, {})
    for (const name of [
      'PYTHONUSERBASE',
      'NPM_CONFIG_PREFIX',
      'GEM_HOME',
      'CARGO_INSTALL_ROOT',
      'GOPATH',
      'GOBIN',
    ])
      expect(env[name]).toMatch(/^\/opt\/env\//)
    for (const name of [
      'PIP_CACHE_DIR',
      'NPM_CONFIG_CACHE',
      'CARGO_HOME',
      'GOMODCACHE',
      'GOCACHE',
      'XDG_CACHE_HOME',
    ])
      expect(env[name]).toMatch(/^\/tmp\//)
  })

  it('starts plain shells plainly', () => {
    expect(terminalShell({ SHELL: '/bin/zsh', PATH: '/x' }, '/').args).toEqual([])
    expect(terminalShell({ SHELL: '/bin/bash', PATH: '/x' }, '/nowhere')).toMatchObject({
      cwd: '/',
    })
  })
})
