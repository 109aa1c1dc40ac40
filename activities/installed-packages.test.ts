import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { createPackageReader } from './installed-packages.ts'

const read = async (files: Record<string, string>) => {
  const reader = createPackageReader()
  for (const [path, content] of Object.entries(files))
    await reader.entry(path, content.length, Readable.from([Buffer.from(content)]))
  return reader.list()
}

it('packages are told by manager, name and version', async () => {
  const list = await read({
    'env/python/lib/python3.12/site-packages/numpy-2.1.0.dist-info/METADATA': 'x',
    'env/npm/lib/node_modules/typescript/package.json': '{"name":"typescript","version":"7.0.2"}',
    'env/npm/lib/node_modules/@types/node/package.json': '{"version":"20.1.0"}',
    'env/npm/lib/node_modules/typescript/node_modules/inner/package.json': '{"version":"1.0.0"}',
    'env/gem/specifications/rake-13.2.1.gemspec': 'x',
    'env/cargo/.crates.toml': '[v1]\n"ripgrep 14.1.0 (registry+https://x)" = ["rg"]\n',
    'home/user/site-packages/x/METADATA': 'x',
  })
  expect(list).toEqual([
    { manager: 'cargo', name: 'ripgrep', version: '14.1.0' },
    { manager: 'gem', name: 'rake', version: '13.2.1' },
    { manager: 'npm', name: '@types/node', version: '20.1.0' },
    { manager: 'npm', name: 'typescript', version: '7.0.2' },
    { manager: 'pip', name: 'numpy', version: '2.1.0' },
  ])
})

it('a file that is not what its name says names no package', async () => {
  const list = await read({
    'env/npm/lib/node_modules/a/package.json': '{',
    'env/npm/lib/node_modules/b/package.json': '{"version":{"x":1}}',
    'env/npm/lib/node_modules/c/package.json': 'null',
  })
  expect(list).toEqual([])
})
