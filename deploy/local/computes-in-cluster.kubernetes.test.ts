import { afterAll, expect, it } from 'vitest'
import { createKubernetesRuntime } from '../../activities/adapters/kubernetes/runtime.ts'
import { kubernetesRuntimeConfig } from '../../config/kubernetes.ts'
import { newId } from '../../records/ids.ts'
import { kubectl } from '../../test/support/workloads.ts'
import { openBoard } from './board.ts'
import { clusterEnv, ClusterUnfit, leaveCluster, prepareCluster } from './computes-in-cluster.ts'

const board = openBoard()
const home = `/home/${newId()}`
const env = { ...clusterEnv(home, {}), KUBECONFIG: process.env['KUBECONFIG'] }
const config = kubernetesRuntimeConfig(env)
const { namespace } = config
const outer = { KUBECONFIG: process.env['KUBECONFIG'] }
afterAll(async () => {
  await leaveCluster(home, board, outer)
  board.close()
})

it('npm start -- --runtime kubernetes puts its computes behind the chart’s walls, each time it starts', async () => {
  await prepareCluster(env, board)
  await prepareCluster(env, board)
  const walls = (await createKubernetesRuntime(config).walls?.()) ?? []
  expect(walls.map(({ part, holds }) => `${part} ${holds}`)).toEqual([
    'runtime-class true',
    'pod-security true',
    'network-policy true',
    'admission-policy true',
  ])
  const what = 'networkpolicy,poddisruptionbudget,resourcequota,limitrange'
  const made = await kubectl(['get', what, '-n', namespace, '-o', 'name'])
  for (const part of ['default-deny', 'out-to-internet', 'poddisruptionbudget', 'resourcequota'])
    expect(made).toContain(part)
})

it('takes them down with the home they were for', async () => {
  await leaveCluster(home, board, outer)
  const left = () => kubectl(['get', 'namespace', '--ignore-not-found', '-o', 'name', namespace])
  await expect.poll(left, { timeout: 60_000, interval: 500 }).toBe('')
})

it('says what to do where there is no cluster', async () => {
  const nowhere = { ...env, KUBECONFIG: '/nowhere' }
  await expect(prepareCluster(nowhere, board)).rejects.toThrow(ClusterUnfit)
  await expect(prepareCluster(nowhere, board)).rejects.toThrow('npm run cluster:up')
})
