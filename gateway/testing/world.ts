/** A gateway over a real Postgres with people and computes in it, for the suites of this folder. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mintAccessToken } from '../../auth/access-token.ts'
import { mintApiKey } from '../../auth/api-keys.ts'
import { createAuthenticator } from '../../auth/authenticate.ts'
import { issueDoorTicket, type DoorPurpose } from '../../auth/door-tickets.ts'
import { loadSigningKeys } from '../../auth/keys.ts'
import { startSession } from '../../auth/refresh.ts'
import { createUser } from '../../auth/users.ts'
import { gatewayConfig } from '../../config/config.ts'
import type { Db } from '../../records/database.ts'
import type { PortVisibility } from '../../records/directory.ts'
import { newId } from '../../records/ids.ts'
import type { Role } from '../../records/schema.ts'
import { freshDatabase } from '../../records/test-database.ts'
import type { ComputeState } from '../../workflows/compute/contract.ts'
import { composeGateway } from '../compose.ts'
import type { Endpoint } from '../sidekick-dial.ts'
import { startWakeDesk } from './wake-desk.ts'

export interface Person {
  readonly userId: string
  readonly groupId: string
  readonly sessionId: string
  readonly token: string
}
export type World = Awaited<ReturnType<typeof makeWorld>>

export const makeWorld = async (env: Readonly<Record<string, string>> = {}) => {
  const suite = await freshDatabase()
  const { db } = suite
  const signingKey = generateKeyPairSync('ed25519')
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64')
  const keys = loadSigningKeys(signingKey)
  const desk = await startWakeDesk()
  const port = await freePort()
  const gatewayEnv = {
    DATABASE_URL: suite.url,
    DORMOUSE_SIGNING_KEY: signingKey,
    DORMOUSE_API_ORIGIN: `http://127.0.0.1:${desk.port}`,
    DORMOUSE_GATEWAY_ORIGIN: `http://127.0.0.1:${port}`,
    DORMOUSE_GATEWAY_PORT: String(port),
    DORMOUSE_PORT_DOMAIN: 'localhost',
    ...env,
  }
  const config = gatewayConfig(gatewayEnv)
  const logged: unknown[] = []
  const gateway = composeGateway(config, db, (message, facts) => logged.push({ message, facts }))

  const person = async (): Promise<Person> => {
    const email = `${newId()}@example.com`
    const user = await createUser(db, { email, password: 'correct horse battery' })
    const session = await startSession(db, user.userId)
    const token = await mintAccessToken(keys, session)
    return {
      userId: user.userId,
      groupId: user.personalGroupId,
      sessionId: session.sessionId,
      token,
    }
  }

  return {
    db,
    keys,
    config,
    gatewayEnv,
    gateway,
    desk,
    logged,
    port,
    person,
    origin: config.origin,
    listen: () =>
      new Promise<void>((resolve) => gateway.server.listen(port, '127.0.0.1', () => resolve())),
    portHost: (computeId: string, appPort: number) => `${appPort}-${computeId}.localhost:${port}`,
    member: (groupId: string, userId: string, role: Role) =>
      db.insertInto('memberships').values({ group_id: groupId, user_id: userId, role }).execute(),
    apiKey: async (owner: Person): Promise<string> => {
      const key = mintApiKey()
      await db
        .insertInto('api_keys')
        .values({
          id: key.id,
          user_id: owner.userId,
          group_id: owner.groupId,
          name: 'test',
          secret_sha256: key.secretSha256,
        })
        .execute()
      return key.text
    },
    ticket: async (owner: Person, computeId: string, purpose: DoorPurpose): Promise<string> => {
      const principal = await createAuthenticator({ db, keys }).authenticateToken(owner.token)
      if (principal === undefined) throw new Error('the person cannot log in')
      return issueDoorTicket(db, { principal, computeId, groupId: owner.groupId, purpose })
    },
    compute: (owner: Person, as: { state: ComputeState; endpoint?: Endpoint; id?: string }) =>
      insertCompute(db, owner, as),
    setState: (id: string, state: ComputeState) =>
      db.updateTable('computes').set({ state }).where('id', '=', id).execute(),
    openPort: (owner: Person, id: string, appPort: number, visibility: PortVisibility) =>
      db
        .insertInto('port_doors')
        .values({ compute_id: id, port: appPort, group_id: owner.groupId, visibility })
        .onConflict((known) => known.columns(['compute_id', 'port']).doUpdateSet({ visibility }))
        .execute(),
    async close() {
      await gateway.drain()
      await desk.close()
      await suite.drop()
    },
  }
}

const insertCompute = async (
  db: Db,
  owner: Person,
  as: { state: ComputeState; endpoint?: Endpoint; id?: string },
): Promise<string> => {
  const id = as.id ?? newId()
  const filesystemId = newId()
  await db
    .insertInto('filesystems')
    .values({
      id: filesystemId,
      group_id: owner.groupId,
      owner_id: owner.userId,
      name: null,
      implicit: true,
      image_digest: 'host',
    })
    .execute()
  await db
    .insertInto('computes')
    .values({
      id,
      group_id: owner.groupId,
      owner_id: owner.userId,
      name: 'test',
      image_id: 'host',
      filesystem_id: filesystemId,
      runtime: 'local',
      tier: 'tiny',
      network: 'shared',
      state: as.state,
      reason: 'created',
      actor: `user:${owner.userId}`,
      generation: 1,
      idle_timeout_ms: 0,
      max_lifetime_ms: 0,
    })
    .execute()
  if (as.endpoint !== undefined)
    await db
      .insertInto('sandboxes')
      .values({
        compute_id: id,
        generation: 1,
        group_id: owner.groupId,
        epoch: 1,
        address: JSON.stringify(as.endpoint.address),
        fingerprint: as.endpoint.fingerprint,
        claim_id: newId(),
      })
      .execute()
  return id
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
