import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apply, kubectl } from '../cluster/kubectl.ts'

const namespace = `images-${randomBytes(4).toString('hex')}`
const kubeconfig = process.env['KUBECONFIG'] ?? ''
const here = (...args: readonly string[]): Promise<string> =>
  kubectl(kubeconfig, ['-n', namespace, ...args])

const image = (name: string) => ({
  image: `docker.io/dormouse/${name}:dev`,
  imagePullPolicy: 'IfNotPresent',
})
/** What Pod Security "restricted" asks of every container, and a read-only root. */
const securityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}
const pod = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: {
    automountServiceAccountToken: false,
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 0,
    securityContext: {
      runAsNonRoot: true,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...spec,
  },
})

const sidekick = (name: string, volume: object, subPath?: string) => ({
  name,
  ...image('base'),
  securityContext,
  resources: { requests: { cpu: '10m' } },
  command: ['/.dormouse/node', '/.dormouse/sidekick.mjs', '--port', '7070', '--host', '0.0.0.0'],
  volumeMounts: [
    { name: 'home', mountPath: '/home/user' },
    { name: 'tmp', mountPath: '/tmp' },
    { ...volume, mountPath: '/.dormouse', readOnly: true, ...(subPath ? { subPath } : {}) },
  ],
})
const POLL = { timeout: 40_000, interval: 200 } as const
const scratch = ['home', 'tmp'].map((name) => ({ name, emptyDir: {} }))

describe('the images, where Pod Security is "restricted"', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    await apply(kubeconfig, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    ])
  })
  afterAll(async () => {
    await kubectl(kubeconfig, ['delete', 'namespace', namespace, '--wait=false'])
  })

  /** Starts it anew, and says what became of it when it does not come up. */
  const listens = async (name: string, spec: object): Promise<void> => {
    await here('delete', 'pod', name, '--ignore-not-found')
    await apply(kubeconfig, [pod(name, spec)])
    await here('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=40s').catch(
      async (error: unknown) => {
        throw new Error(await here('describe', 'pod', name), { cause: error })
      },
    )
    await expect.poll(() => here('logs', name), POLL).toContain('"event":"listening"')
  }

  it('the sidekick runs in gVisor from a copy of its image, made without root', async () => {
    await listens('copied', {
      runtimeClassName: 'gvisor',
      volumes: [...scratch, { name: 'dormouse', emptyDir: {} }],
      initContainers: [
        {
          name: 'copy',
          ...image('sidekick'),
          securityContext,
          command: ['/bin/cp', '-a', '/sidekick/.', '/.dormouse/'],
          volumeMounts: [{ name: 'dormouse', mountPath: '/.dormouse' }],
        },
      ],
      containers: [sidekick('main', { name: 'dormouse' })],
    })
  })

  // Whether the runtime takes the sub-path or, as older ones, mounts the image whole.
  it('the sidekick runs in gVisor from its image mounted as a volume', async () => {
    const reference = { reference: image('sidekick').image, pullPolicy: 'IfNotPresent' }
    await listens('mounted', {
      runtimeClassName: 'gvisor',
      volumes: [...scratch, { name: 'dormouse', image: reference }],
      containers: [sidekick('main', { name: 'dormouse' }, 'sidekick')],
    })
  })

  it('the platform finds every package its services import, Temporal’s native one too', async () => {
    const program = `
      const { readdirSync, readFileSync } = require('node:fs')
      const names = new Set()
      for (const file of ['api', 'gateway', 'worker', 'data-worker'])
        for (const [, name] of readFileSync('/app/dist/' + file + '.js', 'utf8').matchAll(/^import [^;]*? from "([^".][^"]*)"/gm))
          names.add(name)
      const missing = []
      const check = async () => {
        for (const name of names) await import(name).catch((error) => missing.push(name + ': ' + error.message))
        console.log(JSON.stringify({ checked: names.size, missing }))
      }
      process.chdir('/app/dist')
      check()`
    await here('delete', 'pod', 'packages', '--ignore-not-found')
    await apply(kubeconfig, [
      pod('packages', {
        containers: [
          {
            name: 'main',
            ...image('platform'),
            securityContext,
            args: ['--input-type=commonjs', '-e', program],
          },
        ],
      }),
    ])
    await here('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/packages', '--timeout=60s')
    const said = JSON.parse(await here('logs', 'packages')) as {
      checked: number
      missing: string[]
    }
    expect(said.missing).toEqual([])
    expect(said.checked).toBeGreaterThan(20)
  })
})
