/** How images get into a cluster that somebody else runs. */
import { LATEST_TAG, REPOSITORY } from './catalogue.ts'
import type { MadeImage } from './make.ts'

type Command = readonly [string, ...string[]]

/** The command that takes an archive, for tools that name their contexts after themselves. */
export const loaderOf = (context: string): Command | undefined => {
  const [, tool, cluster] = /^(kind|k3d)-(.+)$/.exec(context) ?? []
  if (tool === 'kind' && cluster) return ['kind', 'load', 'image-archive', '--name', cluster]
  if (tool === 'k3d' && cluster) return ['k3d', 'image', 'import', '--cluster', cluster]
  if (context === 'minikube') return ['minikube', 'image', 'load']
  return undefined
}

/** What a person does for any other cluster. */
export const pushHelp = (made: readonly MadeImage[]): string =>
  [
    '',
    '  This cluster takes images from a registry. Push these there and give the chart its name:',
    '',
    ...made.flatMap(({ name, archive, reference }) => [
      `    docker load --input ${archive}`,
      `    docker tag ${reference} REGISTRY/${name}:${LATEST_TAG} && docker push REGISTRY/${name}:${LATEST_TAG}`,
    ]),
    '',
    `  Or without docker: skopeo copy docker-archive:ARCHIVE docker://REGISTRY/NAME:${LATEST_TAG}`,
    `  (in place of REGISTRY: ${REPOSITORY.replace('docker.io', 'registry.example.org')})`,
    '',
  ].join('\n')
