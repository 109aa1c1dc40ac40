import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Shell } from './terminals/pty.ts'

export interface ShellPlaces {
  readonly home: string
  readonly env: string
  readonly scratch: string
}

/** Of the sidekick's own environment only these reach users: what an image says about its tools. */
const FROM_IMAGE = [
  'TZ',
  'JAVA_HOME',
  'GOROOT',
  'GOTOOLCHAIN',
  'RUSTUP_HOME',
  'RUST_VERSION',
  'NODE_VERSION',
  'PYTHON_VERSION',
  'RUBY_VERSION',
  'BUNDLE_SILENCE_ROOT_WARNING',
  'CUDA_HOME',
  'LD_LIBRARY_PATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const
const PLAIN_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The environment of shells and commands. Everything installed goes to /opt/env, whose bin folders
 * come first on PATH; caches go to scratch, which no archive holds. `image` is the sidekick's own
 * environment, `claim` what the platform gave for this compute, which wins.
 */
export const shellEnv = (
  places: ShellPlaces,
  image: Readonly<Record<string, string | undefined>>,
  claim: Readonly<Record<string, string>>,
): Record<string, string> => {
  const { home, env } = places
  const cache = join(places.scratch, '.cache')
  const kept = FROM_IMAGE.flatMap((name) => (image[name] ? [[name, image[name]] as const] : []))
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    USER: 'user',
    LOGNAME: 'user',
    SHELL: shellFile(claim),
    TERM: 'xterm-256color',
    COLORTERM: 'truecolor',
    LANG: 'C.UTF-8',
    PATH: [...binFolders(env), image['PATH'] || PLAIN_PATH].join(':'),
    // pip by itself installs to the user base where the image is read-only; PIP_USER would break venvs.
    PYTHONUSERBASE: join(env, 'python'),
    PIP_BREAK_SYSTEM_PACKAGES: '1',
    PIP_CACHE_DIR: join(cache, 'pip'),
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    NPM_CONFIG_PREFIX: join(env, 'npm'),
    NPM_CONFIG_CACHE: join(cache, 'npm'),
    NPM_CONFIG_UPDATE_NOTIFIER: 'false',
    GEM_HOME: join(env, 'gem'),
    // Cargo's home is mostly its registry cache; its settings are also read from ~/.cargo/config.toml.
    CARGO_HOME: join(cache, 'cargo'),
    CARGO_INSTALL_ROOT: join(env, 'cargo'),
    GOPATH: join(env, 'go'),
    GOBIN: join(env, 'go/bin'),
    GOMODCACHE: join(cache, 'go-mod'),
    GOCACHE: join(cache, 'go-build'),
    XDG_CACHE_HOME: cache,
    ...claim,
  }
}

/** Where each installer puts programs, in the order of PATH. */
const binFolders = (env: string): readonly string[] =>
  ['bin', 'python/bin', 'npm/bin', 'gem/bin', 'cargo/bin', 'go/bin'].map((bin) => join(env, bin))

/**
 * The shell of a terminal. Debian's /etc/profile throws PATH away, so bash logs in, takes our PATH
 * back, and only then becomes the shell that people type into.
 */
export const terminalShell = (env: Readonly<Record<string, string>>, cwd: string): Shell => {
  const file = env['SHELL'] ?? '/bin/sh'
  const args = file.endsWith('/bash')
    ? ['-l', '-c', 'export PATH="$0:$PATH"; exec "$SHELL" -i', env['PATH'] ?? PLAIN_PATH]
    : []
  return { file, args, cwd: existsSync(cwd) ? cwd : '/', env }
}

const shellFile = (claim: Readonly<Record<string, string>>): string =>
  [claim['SHELL'], '/bin/bash', '/usr/bin/bash'].find((file) => file && existsSync(file)) ??
  '/bin/sh'
