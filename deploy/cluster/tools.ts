/** Programs that only look after the chart, built once into the cache: helm, and kubeconform for its schemas. */
import path from 'node:path'
import type { Board } from '../local/board.ts'
import { fillOnce, isExecutable, onPath } from '../local/cache.ts'
import { partDir } from './binaries.ts'
import { buildWithGo } from './go-build.ts'
import type { GoPart } from './versions.ts'

const HELM = 'v3.19.5'
const KUBECONFORM = 'v0.7.0'

const TOOLS = {
  helm: {
    name: 'helm',
    version: `${HELM}-2`,
    modules: [{ module: 'helm.sh/helm/v3', version: HELM }],
    programs: {
      helm: {
        package: 'helm.sh/helm/v3/cmd/helm',
        flags: [
          `-X helm.sh/helm/v3/internal/version.version=${HELM}`,
          // The cluster that `helm lint` and `helm template` take for granted; else 1.20.
          ...['lint/rules', 'chartutil'].flatMap((name) => [
            `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMajor=1`,
            `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMinor=34`,
          ]),
        ],
      },
    },
  },
  kubeconform: {
    name: 'kubeconform',
    version: `${KUBECONFORM}-1`,
    modules: [{ module: 'github.com/yannh/kubeconform', version: KUBECONFORM }],
    programs: { kubeconform: { package: 'github.com/yannh/kubeconform/cmd/kubeconform' } },
  },
} as const satisfies Record<string, GoPart>

export type ToolName = keyof typeof TOOLS

/** The project's own; where none was built here, the one on PATH, which may be newer. */
export const helmProgram = async (board: Board): Promise<string> => {
  const ours = path.join(partDir(TOOLS.helm), 'helm')
  const other = (await isExecutable(ours)) ? undefined : await onPath('helm')
  return other ?? obtainTool('helm', board)
}

/** Path of the program; builds it, with progress on `board`, if this version was never built here. */
export const obtainTool = async (name: ToolName, board: Board): Promise<string> => {
  const part = TOOLS[name]
  const file = path.join(partDir(part), name)
  if (!(await isExecutable(file)))
    await board.during(name, (say) =>
      fillOnce(partDir(part), (partial) => buildWithGo(part, partial, say)),
    )
  return file
}
