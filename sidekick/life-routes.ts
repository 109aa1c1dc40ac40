import { readJson, stringField, stringMap, wholeField } from './body.ts'
import type { SidekickContext } from './context.ts'
import { Failure } from './errors.ts'
import { log } from './log.ts'
import {
  PROTOCOL_MIN_VERSION,
  PROTOCOL_VERSION,
  type ClaimRequest,
  type Hello,
} from './protocol.ts'
import type { Router } from './router.ts'
import { ticketCheck } from './tickets.ts'

const FEATURES = ['terminals', 'commands', 'files', 'watch', 'ports', 'saves'] as const
const EVER = ['unclaimed', 'claimed', 'open', 'frozen', 'retired'] as const

/** hello, claim, open, notice, shutdown. */
export const registerLife = (
  router: Router,
  context: SidekickContext,
  doing: {
    readonly notice: (text: string) => void
    readonly shutdown: () => void
    /** The address that nothing here may reach and that was; null: the walls hold. */
    readonly reachedCanary: () => Promise<string | null>
  },
): void => {
  const { life } = context

  router.on('GET', '/v1/hello', { scope: 'anyone', during: EVER }, (): Hello => {
    const { claim } = life
    return {
      protocol: PROTOCOL_VERSION,
      minProtocol: PROTOCOL_MIN_VERSION,
      features: FEATURES,
      claimed: claim !== undefined,
      ...(claim && { computeId: claim.computeId, generation: claim.generation }),
      state: life.state,
      restored: context.restoring() === 'whole',
      bootId: life.bootId,
    }
  })

  router.on('POST', '/v1/claim', { scope: 'anyone', during: EVER }, async ({ request }) => {
    const claim = parseClaim(await readJson(request))
    await ticketCheck(claim) // refuses bad keys while another claim is still possible
    life.claimAs(claim)
    log('claimed', { computeId: claim.computeId, generation: claim.generation })
  })

  router.on('POST', '/v1/open', { scope: 'control', during: ['claimed', 'open'] }, async () => {
    const reached = await doing.reachedCanary()
    if (reached !== null)
      throw new Failure(
        'not_isolated',
        `The sandbox reaches ${reached}, which no compute may: its network policy does not hold.`,
      )
    if (context.restoring() === 'unfinished')
      throw new Failure('wrong_state', 'The trees are not whole yet; feed all parts first.')
    life.to('open')
    context.activity.touch('opened')
    log('open')
  })

  router.on(
    'POST',
    '/v1/notice',
    { scope: 'control', during: ['claimed', 'open', 'frozen'] },
    async ({ request }) => doing.notice(stringField(await readJson(request), 'text')),
  )

  router.on('POST', '/v1/shutdown', { scope: 'control', during: EVER }, ({ response }) => {
    response.on('close', doing.shutdown)
  })
}

const parseClaim = (body: Readonly<Record<string, unknown>>): ClaimRequest => {
  const { ticketKeys, caps } = body
  if (!Array.isArray(ticketKeys) || ticketKeys.length === 0 || ticketKeys.length > 4)
    throw new Failure('invalid', '`ticketKeys` must be one to four Ed25519 public keys (JWK).')
  const limits = (typeof caps === 'object' ? caps : null) as Record<string, unknown> | null
  if (!limits) throw new Failure('invalid', '`caps` must be { maxBytes, maxEntries }.')
  return {
    claimId: stringField(body, 'claimId'),
    computeId: stringField(body, 'computeId'),
    generation: wholeField(body, 'generation'),
    epoch: wholeField(body, 'epoch'),
    name: stringField(body, 'name'),
    ticketKeys: ticketKeys.map((key: { kty?: unknown; crv?: unknown; x?: unknown } | null) => {
      if (key?.kty !== 'OKP' || key.crv !== 'Ed25519' || typeof key.x !== 'string')
        throw new Failure('invalid', 'A ticket key is not an Ed25519 public key (JWK).')
      return { kty: 'OKP', crv: 'Ed25519', x: key.x }
    }),
    env: stringMap(body, 'env'),
    caps: {
      maxBytes: wholeField(limits, 'maxBytes'),
      maxEntries: wholeField(limits, 'maxEntries'),
    },
  }
}
