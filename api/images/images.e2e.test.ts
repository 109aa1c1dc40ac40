import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { deleteImage } from '../../records/images.ts'
import { startHarness, type Harness, type Person } from '../testing/harness.ts'

const REFERENCE = 'ghcr.io/team/tools:1'

let api: Harness
let member: Person
let operator: Person
beforeAll(async () => {
  api = await startHarness({
    env: { DORMOUSE_IMAGE_SOURCES: 'ghcr.io/team' },
    deps: { runtime: 'kubernetes' },
  })
  member = await api.person('member')
  operator = await api.person('operator', true)
})
afterAll(() => api.stop())

const make = (who: Person, body: unknown) => api.send('POST', '/api/images', who.token, body)

it('an image of an allowed registry can be made, and a compute started from it', async () => {
  const { status, body } = await make(member, { name: 'tools', reference: REFERENCE })
  expect([status, body.base, body.state]).toEqual([201, REFERENCE, 'ready'])
  const compute = await api.send('POST', '/api/computes', member.token, { image_name: 'tools' })
  expect([compute.status, compute.body.image_name]).toEqual([201, 'tools'])
  expect((await make(member, { name: 'tools', reference: REFERENCE })).body.field).toBe('name')
})

it('takes the name of one that failed, and of no other', async () => {
  const { body: failed } = await make(member, { name: 'unmade', reference: REFERENCE })
  const again = () => make(member, { name: 'unmade', reference: REFERENCE })
  expect((await again()).body.field).toBe('name')
  await api.db.updateTable('images').set({ state: 'failed' }).where('id', '=', failed.id).execute()
  const { status, body } = await again()
  expect([status, body.state]).toEqual([201, 'ready'])
  expect(body.id).not.toBe(failed.id)
  expect((await api.send('GET', `/api/images/${failed.id}`, member.token)).status).toBe(404)
})

it('which is being deleted takes no new compute', async () => {
  const { body: image } = await make(member, { name: 'going', reference: REFERENCE })
  let created!: ReturnType<typeof api.send>
  await api.db.transaction().execute(async (tx) => {
    await tx.selectFrom('images').select('id').where('id', '=', image.id).forUpdate().execute()
    await deleteImage(tx, image.id as string)
    created = api.send('POST', '/api/computes', member.token, { image_name: 'going' })
    // It waits for the lock, or has read already what is going to be wrong.
    await Promise.race([created, sleep(300)])
  })
  expect((await created).body).toMatchObject({ code: 'ImageNotFound', field: 'image_name' })
})

it('of any other registry only an operator makes one', async () => {
  const wanted = { name: 'other', reference: 'docker.io/library/debian:12' }
  expect((await make(member, wanted)).body.code).toBe('Forbidden')
  const alike = { name: 'alike', reference: 'ghcr.io/team-evil/tools:1' }
  expect((await make(member, alike)).body.code).toBe('Forbidden')
  expect((await make(operator, wanted)).status).toBe(201)
})

it('what is no reference with a registry is refused, naming the field', async () => {
  for (const reference of [
    'debian',
    '/x',
    'host/UPPER',
    'host/a b',
    'ghcr.io/team/../evil/x:1',
    'ghcr.io/team//x',
    'ghcr.io/team/x@sha256:12',
    '',
  ])
    expect((await make(operator, { name: 'bad', reference })).body).toMatchObject({
      code: 'Invalid',
      field: 'reference',
    })
})

it('without a name a compute starts from `base`, and never from the machine of the local runtime', async () => {
  const compute = await api.send('POST', '/api/computes', member.token, {})
  expect(compute.body.image_name).toBe('base')
  const host = await api.send('POST', '/api/computes', member.token, { image_name: 'host' })
  expect([host.body.code, host.body.field]).toEqual(['ImageNotFound', 'image_name'])
  const { body } = await api.send('GET', '/api/images', member.token)
  expect(body.items.map(({ name }: { name: string }) => name)).not.toContain('host')
})

it('what is installed in an image is told of one image, and not in the listing', async () => {
  const { body: image } = await make(member, { name: 'with-packages', reference: REFERENCE })
  const packages = [{ manager: 'npm', name: 'left-pad', version: '1.3.0' }]
  await api.db
    .updateTable('images')
    .set({ packages: JSON.stringify(packages) })
    .where('id', '=', image.id)
    .execute()
  const { body: listing } = await api.send('GET', '/api/images', member.token)
  const listed = listing.items.find(({ id }: { id: string }) => id === image.id)
  expect(listed).toMatchObject({ name: 'with-packages' })
  expect(listed).not.toHaveProperty('packages')
  const one = await api.send('GET', `/api/images/${image.id}`, member.token)
  expect([one.status, one.body.packages]).toEqual([200, packages])
  expect((await api.send('GET', '/api/images/base', member.token)).status).toBe(200)
  expect((await api.send('GET', `/api/images/${image.id}`, operator.token)).status).toBe(404)
})
