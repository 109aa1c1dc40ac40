import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireCompute } from '../../records/computes.ts'
import { newId } from '../../records/ids.ts'
import { createUpQuota } from '../../records/up-quota.ts'
import { latch } from '../../test/support/latch.ts'
import { DormouseError } from '../../workflows/errors.ts'
import { startHarness, type Harness, type Person } from '../testing/harness.ts'

let api: Harness
let ann: Person
let bob: Person
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann')
  bob = await api.person('bob')
})
afterAll(() => api.stop())

const create = (body: object = {}, headers: Record<string, string> = {}, who = ann) =>
  api.send('POST', '/api/computes', who.token, body, headers)
const eventsOf = async (id: string) =>
  (await api.send('GET', `/api/computes/${id}/events`, ann.token)).body.items as {
    type: string
    data: Record<string, unknown>
    actor: string
  }[]

describe('creating a compute', () => {
  it('answers the compute, where it is, and why it is up', async () => {
    const { status, body, headers } = await create({ name: 'first' })
    expect(status).toBe(201)
    expect(headers.location).toBe(`/api/computes/${body.id}`)
    expect(body).toMatchObject({
      name: 'first',
      group_id: ann.groupId,
      image_name: 'host',
      tier: 'basic',
      network: 'shared',
      state: 'running',
      settled: true,
      idle_timeout: 1800,
      max_lifetime: 0,
      url: `http://127.0.0.1:8081/compute/${body.id}`,
      port_url: `http://{port}-${body.id}.localhost:8081`,
      why: { reason: 'created', nextTimer: { kind: 'idle', afterIdleSeconds: 1800 } },
    })
    expect(body.why.upBecause).toContain('created')
    const read = await api.send('GET', `/api/computes/${body.id}`, ann.token)
    expect(read.body).toEqual(
      Object.fromEntries(Object.entries(body).filter(([key]) => key !== 'settled')),
    )
    expect((await eventsOf(body.id)).map(({ type }) => type)).toEqual([
      'compute.requested',
      'compute.running',
    ])
  })

  it('makes one compute of fifty requests with one Idempotency-Key, and answers them alike (R7)', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        create({ name: 'once', env: { A: '1' } }, { 'idempotency-key': 'k1' }),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    const rows = await api.db
      .selectFrom('computes')
      .select('id')
      .where('name', '=', 'once')
      .execute()
    expect(rows).toHaveLength(1)
    const filesystems = await api.db.selectFrom('filesystems').select('id').execute()
    const computes = await api.db.selectFrom('computes').select('id').execute()
    expect(filesystems).toHaveLength(computes.length)
  })

  it('refuses the key with another request, and takes the same request in another order', async () => {
    const same = await create({ env: { A: '1' }, name: 'once' }, { 'idempotency-key': 'k1' })
    expect(same.status).toBe(201)
    const other = await create({ name: 'another' }, { 'idempotency-key': 'k1' })
    expect(other.status).toBe(422)
    expect(other.body).toMatchObject({ code: 'IdempotencyConflict', retry: false })
    const others = await create({ name: 'once' }, { 'idempotency-key': 'k1' }, bob)
    expect(others.status).toBe(201)
    expect(others.body.id).not.toBe(same.body.id)
  })

  it('keeps what was asked when Temporal does not answer', async () => {
    api.doors.fail = new DormouseError('Unavailable', 'away')
    const { status, body } = await create({ name: 'later' })
    api.doors.fail = undefined
    expect(status).toBe(201)
    expect(body).toMatchObject({ state: 'requested', settled: false })
    expect((await api.send('GET', `/api/computes/${body.id}`, ann.token)).status).toBe(200)
  })

  it('seals env, and shows its values nowhere', async () => {
    const canary = 'canary-5f1d'
    const { body, text } = await create({ name: 'env', env: { SECRET: canary } })
    const row = await api.db
      .selectFrom('computes')
      .selectAll()
      .where('id', '=', body.id)
      .executeTakeFirstOrThrow()
    const everything = text + JSON.stringify(await eventsOf(body.id)) + JSON.stringify(row)
    expect(everything + row.env_sealed!.toString('latin1')).not.toContain(canary)
    expect(JSON.stringify(api.doors.created)).not.toContain(canary)
    expect(api.deps.sealer.open(row.env_sealed!, `env:${ann.groupId}:${body.id}`)).toContain(canary)
  })

  const refused: [string, object, string, string][] = [
    ['an unknown property', { nmae: 'x' }, 'Invalid', 'nmae'],
    [
      'an unknown property inside',
      { schedule: { timezone: 'UTC', hibernate: [], wake: [], x: 1 } },
      'Invalid',
      'schedule.x',
    ],
    ['a name of the wrong type', { name: 5 }, 'Invalid', 'name'],
    ['a name with an escape sequence', { name: 'x\u001b]0;y\u0007' }, 'Invalid', 'name'],
    ['a number written as text', { idle_timeout: '60' }, 'Invalid', 'idle_timeout'],
    ['a fraction of a second', { idle_timeout: 0.5 }, 'Invalid', 'idle_timeout'],
    ['a negative lifetime', { max_lifetime: -1 }, 'Invalid', 'max_lifetime'],
    ['a tier that is none', { tier: 'huge' }, 'Invalid', 'tier'],
    ['an image nobody has', { image_name: 'nope' }, 'ImageNotFound', 'image_name'],
    [
      'a zone that is none',
      { schedule: { timezone: 'Mars/Base', hibernate: [], wake: [] } },
      'Invalid',
      'schedule.timezone',
    ],
    [
      'a cron line that is none',
      { schedule: { timezone: 'UTC', hibernate: ['0 25 * * *'], wake: [] } },
      'Invalid',
      'schedule.hibernate.0',
    ],
    [
      'a cron line with seconds',
      { schedule: { timezone: 'UTC', hibernate: [], wake: ['0 0 7 * * *'] } },
      'Invalid',
      'schedule.wake.0',
    ],
    ['a variable that is no name', { env: { 'A B': '1' } }, 'Invalid', 'env.A B'],
    [
      'too many variables',
      { env: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`V${i}`, ''])) },
      'Invalid',
      'env',
    ],
    ['too much env', { env: { A: 'x'.repeat(256 * 1024) } }, 'Invalid', 'env'],
    [
      'a filesystem that is not there',
      { filesystem_id: 'fnotthere00000000000' },
      'NotFound',
      'filesystem_id',
    ],
  ]
  it.each(refused)('refuses %s and names the field', async (_name, body, code, field) => {
    const answer = await create(body)
    expect(answer.body).toMatchObject({ code, field })
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.body.requestId).toBe(answer.headers['x-request-id'])
  })

  it('takes no control characters into any name, and every other character', async () => {
    const paths = ['/api/computes', '/api/filesystems', '/api/groups', '/auth/api-keys']
    for (const path of paths)
      for (const sign of ['\u0000', '\n', '\u001b[2J', '\u007f', '\u009b2J', '\u202e', '\u2028']) {
        const { status, body } = await api.send('POST', path, ann.token, { name: `a${sign}b` })
        expect([path, sign, status, body.field]).toEqual([path, sign, 422, 'name'])
        expect(body.detail).toBe('name must be without control characters and line breaks')
      }
    const { body } = await create({ name: 'Zoë’s 猫 🐭 — שלום' })
    expect(body.name).toBe('Zoë’s 猫 🐭 — שלום')
  })

  it('refuses other people’s groups and filesystems as if they were not there', async () => {
    expect((await create({ group_id: bob.groupId })).status).toBe(404)
    const bobs = await api.send('POST', '/api/filesystems', bob.token, { name: 'bobs' })
    const answer = await create({ filesystem_id: bobs.body.id })
    expect(answer.status).toBe(404)
    expect(answer.text).not.toContain('bobs')
  })

  it('refuses a filesystem that another compute writes to', async () => {
    const { body } = await create()
    await api.db
      .updateTable('filesystems')
      .set({ lease_compute_id: body.id, lease_generation: 1 })
      .where('id', '=', body.filesystem_id)
      .execute()
    const answer = await create({ filesystem_id: body.filesystem_id })
    expect(answer.status).toBe(409)
    expect(answer.body).toMatchObject({ code: 'FilesystemBusy', retry: true })
  })

  it('holds the cap of a group also against fifty creates at once', async () => {
    const small = await startHarness({ env: { DORMOUSE_COMPUTES_PER_GROUP: '5' } })
    const eve = await small.person('eve')
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => small.send('POST', '/api/computes', eve.token, {})),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5)
    const refusal = answers.find(({ status }) => status !== 201)!
    expect(refusal.status).toBe(429)
    expect(refusal.body).toMatchObject({ code: 'QuotaExceeded', details: { used: 5, cap: 5 } })
    await small.stop()
  })
})

describe('computes of one user that are up', () => {
  const stateOf = (small: Harness, id: string, state: 'hibernated' | 'running') =>
    small.db.updateTable('computes').set({ state }).where('id', '=', id).execute()

  it('are capped over all groups, also against twenty creates or wakes at once', async () => {
    const small = await startHarness({ env: { DORMOUSE_COMPUTES_UP_PER_USER: '3' } })
    const eve = await small.person('eve')
    const group = await small.send('POST', '/api/groups', eve.token, { name: 'second' })
    const make = (n: number) =>
      small.send('POST', '/api/computes', eve.token, n % 2 ? {} : { group_id: group.body.id })
    const made = await Promise.all(Array.from({ length: 20 }, (_, n) => make(n)))
    const ids = made.filter(({ status }) => status === 201).map(({ body }) => body.id as string)
    expect(ids).toHaveLength(3)
    expect(made.find(({ status }) => status !== 201)?.body).toMatchObject({
      code: 'QuotaExceeded',
      details: { quota: 'computes_up', cap: 3 },
    })
    for (const id of ids) await stateOf(small, id, 'hibernated')
    for (let n = 0; n < 3; n += 1) {
      const { body } = await make(n)
      ids.push(body.id)
      await stateOf(small, body.id, 'hibernated')
    }
    const wake = (id: string) => small.send('POST', `/api/computes/${id}/wake`, eve.token)
    const woken = await Promise.all(ids.map(wake))
    expect(woken.filter(({ status }) => status < 300)).toHaveLength(3)
    expect(woken.filter(({ status }) => status === 429)).toHaveLength(3)
    const up = ids[woken.findIndex(({ status }) => status < 300)]!
    await stateOf(small, up, 'running')
    expect((await wake(up)).status).toBeLessThan(300)
    const bob = await small.person('bob')
    expect((await small.send('POST', '/api/computes', bob.token, {})).status).toBe(201)
    await small.stop()
  })

  it('are capped also where several processes are asked for them', async () => {
    const small = await startHarness({ env: { DORMOUSE_COMPUTES_UP_PER_USER: '1' } })
    const eve = await small.person('eve')
    const asleep = async () => {
      const { body } = await small.send('POST', '/api/computes', eve.token, {})
      await stateOf(small, body.id, 'hibernated')
      return requireCompute(small.db, body.id as string)
    }
    const [one, other] = [await asleep(), await asleep()]
    const wake = ({ id }: { id: string }) =>
      small.send('POST', `/api/computes/${id}/wake`, eve.token)
    await createUpQuota(small.db, 1).takePlace(one)
    expect((await wake(other)).body).toMatchObject({ code: 'QuotaExceeded', details: { used: 1 } })
    expect((await wake(one)).status).toBeLessThan(300)
    await small.stop()
  })

  it('and groups are capped too', async () => {
    const small = await startHarness({ env: { DORMOUSE_GROUPS_PER_USER: '3' } })
    const eve = await small.person('eve')
    const make = () => small.send('POST', '/api/groups', eve.token, { name: 'g' })
    const answers = await Promise.all([make(), make(), make(), make()])
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
    expect((await make()).body).toMatchObject({ code: 'QuotaExceeded', details: { cap: 3 } })
    await small.stop()
  })
})

describe('listing computes', () => {
  it('pages through all of them once, newest first, and shows nobody else’s', async () => {
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await api.send(
        'GET',
        `/api/computes?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
        ann.token,
      )
      seen.push(...page.body.items.map(({ id }: { id: string }) => id))
      cursor = page.body.next_cursor
    } while (cursor !== null)
    const rows = await api.db
      .selectFrom('computes')
      .select('id')
      .where('group_id', '=', ann.groupId)
      .orderBy('created_at', 'desc')
      .execute()
    expect(seen).toEqual(rows.map(({ id }) => id))
  })

  it('filters by state, name and group', async () => {
    const by = async (query: string) =>
      (await api.send('GET', `/api/computes?${query}`, ann.token)).body.items as { name: string }[]
    expect((await by('name=once')).map(({ name }) => name)).toEqual(['once'])
    expect((await by('state=requested')).map(({ name }) => name)).toEqual(['later'])
    expect((await api.send('GET', `/api/computes?group_id=${bob.groupId}`, ann.token)).status).toBe(
      404,
    )
    expect((await api.send('GET', '/api/computes?stat=running', ann.token)).body.field).toBe('stat')
  })
})

describe('commands', () => {
  it('hibernate and wake a compute, told by whom', async () => {
    const { body } = await create()
    const slept = await api.send('POST', `/api/computes/${body.id}/hibernate?wait=5`, ann.token)
    expect(slept.status).toBe(200)
    expect(slept.body).toMatchObject({
      state: 'hibernated',
      settled: true,
      actor: `user:${ann.userId}`,
    })
    expect(slept.body.why.stoppedBecause).toContain('asked')
    const woken = await api.send(
      'POST',
      `/api/computes/${body.id}/wake?reason=traffic`,
      ann.token,
      {},
    )
    expect(woken.body).toMatchObject({ state: 'running', reason: 'traffic' })
  })

  it('that are refused leave an event that says so', async () => {
    const { body } = await create()
    api.doors.fail = new DormouseError('InvalidState', 'not while it sleeps')
    const answer = await api.send('POST', `/api/computes/${body.id}/checkpoint`, ann.token)
    api.doors.fail = undefined
    expect(answer.status).toBe(409)
    const last = (await eventsOf(body.id)).at(-1)
    expect(last).toMatchObject({
      type: 'command.refused',
      actor: `user:${ann.userId}`,
      data: { command: 'checkpoint', code: 'InvalidState' },
    })
  })

  it('answer 503 and leave no refusal when Temporal is away; reading goes on', async () => {
    const { body } = await create()
    api.doors.fail = new DormouseError('Unavailable', 'away')
    const answer = await api.send('POST', `/api/computes/${body.id}/hibernate`, ann.token)
    const read = await api.send('GET', `/api/computes/${body.id}`, ann.token)
    api.doors.fail = undefined
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBeDefined()
    expect(read.body.state).toBe('running')
    expect((await eventsOf(body.id)).map(({ type }) => type)).not.toContain('command.refused')
  })

  it('extend says lifetime in seconds, and must say something', async () => {
    const { body } = await create()
    const path = `/api/computes/${body.id}/extend`
    expect((await api.send('POST', path, ann.token, { lifetime: 60 })).status).toBe(200)
    expect(api.doors.commands.at(-1)).toMatchObject({
      name: 'extend',
      args: { lifetimeMs: 60_000 },
    })
    expect((await api.send('POST', path, ann.token, {})).status).toBe(422)
  })

  it('schedule takes good cron lines only, and null to end it', async () => {
    const { body } = await create()
    const path = `/api/computes/${body.id}/schedule`
    const schedule = { timezone: 'Europe/Zurich', hibernate: ['0 19 * * 1-5'], wake: [] }
    expect((await api.send('PUT', path, ann.token, { schedule })).status).toBe(200)
    expect(api.doors.commands.at(-1)).toMatchObject({ name: 'schedule', args: { schedule } })
    expect((await api.send('PUT', path, ann.token, { schedule: null })).status).toBe(200)
    const bad = { ...schedule, wake: ['often'] }
    expect((await api.send('PUT', path, ann.token, { schedule: bad })).body.field).toBe(
      'schedule.wake.0',
    )
  })

  it('commit makes an image that is pending, once by name', async () => {
    const { body } = await create()
    const path = `/api/computes/${body.id}/commit`
    const image = await api.send('POST', path, ann.token, { name: 'tools' })
    expect(image.body).toMatchObject({
      name: 'tools',
      state: 'pending',
      base: 'host',
      settled: true,
    })
    expect((await api.send('POST', path, ann.token, { name: 'tools' })).body.field).toBe('name')
    expect((await create({ image_name: 'tools' })).body.detail).toContain('pending')
    const listed = await api.send('GET', '/api/images', ann.token)
    expect(listed.body.items.map(({ name }: { name: string }) => name)).toEqual(['tools', 'host'])
    expect((await api.send('DELETE', `/api/images/${image.body.id}`, ann.token)).status).toBe(204)
    expect((await api.send('DELETE', '/api/images/host', ann.token)).status).toBe(403)
  })

  it('a commit whose name is taken at the same moment is told so', async () => {
    const { body } = await create()
    const [taken, gate] = [latch(), latch()]
    const name = { name: `at-once-${newId()}` }
    const other = api.db.transaction().execute(async (tx) => {
      await tx
        .insertInto('images')
        .values({
          ...{ id: newId(), group_id: ann.groupId, owner_id: ann.userId, ...name },
          ...{ state: 'pending', base: 'host', digest: null, problem: null },
          created_by_compute: body.id,
        })
        .execute()
      taken.open()
      await gate.opened
    })
    await taken.opened
    const second = api.send('POST', `/api/computes/${body.id}/commit`, ann.token, name)
    await new Promise((resolve) => setTimeout(resolve, 300))
    gate.open()
    await other
    expect((await second).body).toMatchObject({ status: 422, code: 'Invalid', field: 'name' })
  })

  it('commit that failed may be asked again by the same name', async () => {
    const { body } = await create()
    const commit = () =>
      api.send('POST', `/api/computes/${body.id}/commit`, ann.token, { name: 'retried' })
    api.doors.fail = new DormouseError('StoreUnavailable', 'the object store does not answer')
    const failed = await commit()
    api.doors.fail = new DormouseError('Unavailable', 'no worker took this in time')
    const unknown = await commit()
    api.doors.fail = undefined
    expect(failed.body).toMatchObject({ status: 503, code: 'StoreUnavailable', retry: true })
    expect(unknown.body).toMatchObject({ status: 503, code: 'Unavailable' })
    // Nobody answered the second: it may still be made, so its name is taken.
    expect((await commit()).body).toMatchObject({ status: 422, field: 'name' })
  })

  it('delete from any state, twice alike, also when Temporal is away', async () => {
    const { body } = await create()
    api.doors.fail = new DormouseError('Unavailable', 'away')
    const away = await api.send('DELETE', `/api/computes/${body.id}?purge=true`, ann.token)
    api.doors.fail = undefined
    expect(away.status).toBe(202)
    expect(away.body).toMatchObject({ settled: false, delete_requested: true })
    expect(api.doors.refreshed).toContain(body.id)
    const gone = await api.send('DELETE', `/api/computes/${body.id}`, ann.token)
    expect(gone.body.state).toBe('terminated')
    const again = await api.send('DELETE', `/api/computes/${body.id}`, ann.token)
    expect(again.status).toBe(200)
    const wake = await api.send('POST', `/api/computes/${body.id}/wake`, ann.token)
    expect(wake.body).toMatchObject({ status: 409, code: 'InvalidState' })
  })

  it('open ports to whom they say', async () => {
    const { body } = await create()
    const put = (port: string, visibility: string) =>
      api.send('PUT', `/api/computes/${body.id}/ports/${port}`, ann.token, { visibility })
    expect((await put('3000', 'public')).body).toEqual({
      port: 3000,
      visibility: 'public',
      url: `http://3000-${body.id}.localhost:8081`,
    })
    expect((await put('3000', 'group')).status).toBe(200)
    for (const port of ['0', '65536', '-1', '80@evil', '0x50'])
      expect((await put(port, 'public')).status).toBe(404)
    const listed = await api.send('GET', `/api/computes/${body.id}/ports`, ann.token)
    expect(listed.body.items).toHaveLength(1)
  })

  it('give tickets to doors', async () => {
    const { body } = await create()
    const door = (more: object) =>
      api.send('POST', '/api/doors', ann.token, { compute_id: body.id, ...more })
    const terminal = await door({ purpose: 'terminal' })
    expect(terminal.status).toBe(201)
    expect(terminal.body.url).toBe(`ws://127.0.0.1:8081/compute/${body.id}/terminal`)
    const port = await door({ purpose: 'port', port: 3000 })
    expect(port.body.url).toBe(
      `http://3000-${body.id}.localhost:8081/.dormouse/enter?ticket=${port.body.ticket}`,
    )
    expect((await door({ purpose: 'port' })).body.field).toBe('port')
    expect(
      (await api.send('POST', '/api/doors', bob.token, { compute_id: body.id, purpose: 'exec' }))
        .status,
    ).toBe(404)
  })
})
