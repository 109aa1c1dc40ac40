import { DormouseError } from '../workflows/errors.ts'
import { archiveTrees, type ArchiveDeps } from './archive-part.ts'
import { headOf, type Binding, type Head } from './binding.ts'
import type { SaveInput, SaveOutcome, Target } from './contract.ts'
import type { Freeze, SidekickControl } from './ports.ts'
import { deltaBase } from './save-base.ts'
import { publishSave } from './save-publish.ts'
import type { TransferredPart } from './transfer.ts'

interface FrozenSaveDeps extends ArchiveDeps {
  readonly sidekick: SidekickControl
}

/** A frozen delta that takes longer is given up and tried again: the compute must not hang. */
const FREEZE_LEASE_MS = 60_000
const HELLO_WITHIN_MS = 5_000

/**
 * The live tree, then frozen what changed since, published in one step; the sidekick is retired. Most
 * of the bytes go while users still work; what is left is small. Any failure thaws.
 */
export const saveFrozen = async (
  deps: FrozenSaveDeps,
  input: SaveInput,
  binding: Binding,
  signal: AbortSignal,
): Promise<SaveOutcome> => {
  const { sidekick } = deps
  const { endpoint, epoch } = binding
  const before = await headOf(deps.db, binding.compute.filesystem_id)
  const { head } = before
  const { dirty } = await sidekick.activity(endpoint, input)
  const live =
    dirty || head === undefined
      ? await archiveTrees(deps, input, binding, deltaBase(head, binding), signal)
      : undefined
  const frozen = await sidekick.freeze(endpoint, input, {
    epoch,
    leaseMs: FREEZE_LEASE_MS,
    ...(input.onlyIfIdleForMs === undefined ? {} : { onlyIfIdleForMs: input.onlyIfIdleForMs }),
  })
  if (!frozen.frozen) return { kind: 'called_off', activity: frozen.activity }
  try {
    return await saveRest(deps, input, binding, { before, live, freeze: frozen.freeze }, signal)
  } catch (error) {
    await sidekick.thaw(endpoint, input, epoch).catch(() => undefined)
    throw error
  }
}

/** Of a frozen compute: what changed since `live`, or since the last save when nothing had. */
const saveRest = async (
  deps: FrozenSaveDeps,
  input: SaveInput,
  binding: Binding,
  begun: {
    readonly before: Head
    readonly live: TransferredPart | undefined
    readonly freeze: Freeze
  },
  signal: AbortSignal,
): Promise<SaveOutcome> => {
  const { sidekick } = deps
  const { endpoint } = binding
  const { before, live, freeze } = begun
  const { head } = before
  const unchanged =
    live === undefined && !(await sidekick.activity(endpoint, input)).dirty && head !== undefined
  if (unchanged) {
    const held = await staysFrozen(deps, input, binding, freeze)
    await sidekick.retire(endpoint, input, held)
    return { kind: 'clean', snapshotId: head.id }
  }
  const base = live?.part.saveId ?? deltaBase(head, binding)
  const rest = await archiveTrees(deps, input, binding, base, signal)
  const held = await staysFrozen(deps, input, binding, freeze)
  const parts = live === undefined || rest.part.kind === 'full' ? [rest] : [live, rest]
  const outcome = await publishSave(deps, input, binding, before, parts)
  // Refused if the freeze ran out meanwhile. A retired sidekick never thaws: nothing is written that nobody saves.
  await sidekick.retire(endpoint, input, held)
  return outcome
}

/** A new lease, but only for a freeze that never ended: one that ran out in between let writers go on. */
const staysFrozen = async (
  { sidekick }: FrozenSaveDeps,
  target: Target,
  { endpoint, epoch }: Binding,
  freeze: Freeze,
): Promise<Freeze> => {
  const { state } = await sidekick.hello(endpoint.address, HELLO_WITHIN_MS)
  const again =
    state === 'frozen' &&
    (await sidekick.freeze(endpoint, target, { epoch, leaseMs: FREEZE_LEASE_MS }))
  if (again === false || !again.frozen || again.freeze.ordinal !== freeze.ordinal)
    throw new DormouseError('SaveFailed', 'the freeze ran out before the save was done')
  return again.freeze
}
