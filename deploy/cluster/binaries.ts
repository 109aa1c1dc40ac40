/** The cluster's programs, built once per version into the cache that every checkout of this user shares. */
import { mkdir, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { cacheDir, fillOnce, isExecutable } from '../local/cache.ts'
import type { Board } from '../local/board.ts'
import { buildWithGo } from './go-build.ts'
import { GO_PARTS, type GoPart } from './versions.ts'

/** The one binary of Kubernetes is each of these, by the name it is called by. */
const KUBE_NAMES = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'kubectl',
] as const

const clusterCache = (): string => path.join(cacheDir(), 'cluster')

/** Where `part`, in this version, is or will be. */
export const partDir = (part: GoPart): string =>
  path.join(clusterCache(), `${part.name}-${part.version}`)

/** One folder with a link to every program: containerd finds its shims there by name. */
export const programsDir = (): string => path.join(clusterCache(), 'bin')

/** Builds what is missing, one after the other: each build takes every core. */
export const obtainPrograms = async (board: Board): Promise<string> => {
  for (const part of GO_PARTS) {
    if (!(await isBuilt(part)))
      await board.during(part.name, (say) =>
        fillOnce(partDir(part), (partial) => buildWithGo(part, partial, say)),
      )
    for (const program of Object.keys(part.programs))
      await linkProgram(path.join(partDir(part), program), program)
  }
  for (const name of KUBE_NAMES) await linkProgram('kube', name)
  return programsDir()
}

const isBuilt = async (part: GoPart): Promise<boolean> => {
  const programs = Object.keys(part.programs).map((name) => path.join(partDir(part), name))
  return (await Promise.all(programs.map(isExecutable))).every(Boolean)
}

const linkProgram = async (target: string, name: string): Promise<void> => {
  await mkdir(programsDir(), { recursive: true })
  const partial = path.join(programsDir(), `.${name}.${process.pid}`)
  await rm(partial, { force: true })
  await symlink(target, partial)
  await rename(partial, path.join(programsDir(), name))
}

export const binaryOf = (name: string): string => path.join(programsDir(), name)
