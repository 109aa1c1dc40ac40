import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { IMAGES, reference } from './catalogue.ts'
import { contentHash, folderHash } from './content-hash.ts'
import { mirrorIn } from './debian.ts'
import { loaderOf, pushHelp } from './loaders.ts'
import { imageHash } from './make.ts'

const keyOf = async (name: string): Promise<string> => `key of ${name}`
const [base] = IMAGES

describe('an image’s tag', () => {
  it('is the same for the same Dockerfile and ingredients, and another for any other', async () => {
    const tag = await imageHash(base, 'FROM scratch', keyOf)
    expect(tag).toMatch(/^[0-9a-f]{12}$/)
    expect(await imageHash(base, 'FROM scratch', keyOf)).toBe(tag)
    expect(await imageHash(base, 'FROM scratch\nUSER 1000', keyOf)).not.toBe(tag)
    expect(await imageHash(base, 'FROM scratch', async (name) => `${name} of tomorrow`)).not.toBe(
      tag,
    )
  })

  it('does not depend on the order of the parts, nor on where one ends and the next begins', () => {
    expect(contentHash({ a: '1', b: '2' })).toBe(contentHash({ b: '2', a: '1' }))
    expect(contentHash({ a: '1\n["b","2"]' })).not.toBe(contentHash({ a: '1', b: '2' }))
  })

  it('sees names, contents and executable bits of a folder, and not what is left out', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'dormouse-hash-'))
    try {
      await mkdir(path.join(folder, 'cache'))
      await writeFile(path.join(folder, 'program'), 'one')
      const hash = () => folderHash(folder, (file) => !file.startsWith('cache/'))
      const first = await hash()
      await writeFile(path.join(folder, 'cache/x'), 'differs each time')
      expect(await hash()).toBe(first)
      await writeFile(path.join(folder, 'program'), 'two')
      expect(await hash()).not.toBe(first)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('the Dockerfiles', () => {
  it.each(IMAGES)(
    '$name takes every public image through an argument that can be replaced',
    async (image) => {
      const text = await readFile(path.join(import.meta.dirname, image.dockerfile), 'utf8')
      const declared = [...text.matchAll(/^ARG (\w+)=/gm)].map(([, name]) => name)
      expect(new Set(declared)).toEqual(new Set(Object.keys(image.from)))
      for (const [, from] of text.matchAll(/^FROM (\S+)/gm))
        expect(from).toMatch(/^(\$\{\w+\}|scratch)$/)
    },
  )

  it.each(IMAGES)('$name does not run as root', async (image) => {
    const text = await readFile(path.join(import.meta.dirname, image.dockerfile), 'utf8')
    // By number: a kubelet cannot tell whether a name is root.
    expect([...text.matchAll(/^USER (\S+)/gm)].at(-1)?.[1]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })
})

describe('Debian’s archive', () => {
  it.each([
    ['deb http://mirror.example.org/debian bookworm main', 'http://mirror.example.org/debian'],
    [
      'deb [signed-by=/k.gpg] https://m.example.org/debian/ bookworm main',
      'https://m.example.org/debian/',
    ],
    ['Types: deb\nURIs: http://m.example.org/debian\nSuites: x', 'http://m.example.org/debian'],
  ])('is read from apt’s sources: %s', (sources, address) => {
    expect(mirrorIn(sources)).toBe(address)
  })

  it('is neither one of its security updates nor another vendor’s', () => {
    expect(
      mirrorIn('URIs: http://m.example.org/debian-security\ndeb https://x.org/apt a b'),
    ).toBeUndefined()
  })
})

describe('a cluster of somebody else', () => {
  const made = [{ name: 'base', reference: reference('base', 'abc'), archive: '/c/base-abc.tar' }]

  it('gets images by its own tool where its context names one', () => {
    expect(loaderOf('kind-dev')).toEqual(['kind', 'load', 'image-archive', '--name', 'dev'])
    expect(loaderOf('k3d-dev')?.at(-1)).toBe('dev')
    expect(loaderOf('minikube')?.[0]).toBe('minikube')
    expect(loaderOf('arn:aws:eks:eu-west-1:1:cluster/kind')).toBeUndefined()
  })

  it('else is told how to push each of them', () => {
    expect(pushHelp(made)).toContain('docker load --input /c/base-abc.tar')
    expect(pushHelp(made)).toContain('docker push REGISTRY/base:dev')
  })
})
