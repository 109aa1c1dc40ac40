/** An image of one static program, written by hand: these must be there before anything can be built. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'

/** Writes an archive, as `docker load` and `ctr images import` read it, of `reference`: /program and nothing else. */
export const writeProgramImage = async (
  program: string,
  reference: string,
  archive: string,
): Promise<void> => {
  const layer = pack()
  layer.entry({ name: 'program', mode: 0o755 }, await readFile(program))
  layer.finalize()
  const layerBytes = await buffer(layer)
  const diffId = `sha256:${createHash('sha256').update(layerBytes).digest('hex')}`
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Entrypoint: ['/program'], User: '65534:65534' },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created_by: 'dormouse' }],
  }
  const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }]
  const image = pack()
  image.entry({ name: 'manifest.json' }, JSON.stringify(manifest))
  image.entry({ name: 'config.json' }, JSON.stringify(config))
  image.entry({ name: 'layer.tar' }, layerBytes)
  image.finalize()
  await pipeline(image, createWriteStream(archive))
}
