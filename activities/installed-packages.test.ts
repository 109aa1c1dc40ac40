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

it('the list is bounded, whatever an archive holds', async () => {
  const reader = createPackageReader()
  const nothing = () => Readable.from([])
  const long = 'x'.repeat(1024 * 1024)
  await reader.entry(`env/${long}/site-packages/real-1.0.dist-info/METADATA`, 1, nothing())
  await reader.entry(`env/gem/specifications/${'n'.repeat(300)}-1.0.gemspec`, 1, nothing())
  await reader.entry(`env/gem/specifications/rake-1${'0'.repeat(200)}.gemspec`, 1, nothing())
  expect(reader.list()).toEqual([])
  for (let n = 0; n < 12_000; n += 1)
    await reader.entry(`env/gem/specifications/gem${n}-1.0.gemspec`, 1, nothing())
  expect(reader.list()).toHaveLength(10_000)
})
