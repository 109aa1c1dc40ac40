import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { DormouseError } from '../../../workflows/errors.ts'
import type { SidekickAddress } from '../../ports.ts'
import { SIDEKICK_PORT } from './labels.ts'
import { troubleOf, troubleOfWarnings, type Trouble } from './pod-state.ts'
import type { Pods } from './pods.ts'

/** A pull of a large image goes on at the next attempt, which adopts the pod. */
const START_WITHIN_MS = 120_000
/** No room may be room in a moment: an older pod is on its way out. */
const NO_ROOM_FOR_MS = 5_000
/** A pod that is not up by then is asked about by its events: its status may lag behind by 15 s. */
const ASK_EVENTS_AFTER_MS = 3_000
const ASK_EVENTS_EVERY_MS = 1_000
const DIAL_EVERY_MS = 15
const DIAL_MS = 1_000

/**
 * Waits, told by the API, until the pod's sidekick takes connections. Errors: what keeps it from
 * coming up, by name, as soon as the cluster knows it; then the pod is told to end where that lasts.
 */
export const startedPod = async (pods: Pods, pod: V1Pod): Promise<SidekickAddress> => {
  const end = new AbortController()
  const { signal } = end
  let latest = pod
  let lasting = false
  try {
    return await new Promise<SidekickAddress>((resolve, reject) => {
      const fail = (trouble: Trouble) => {
        lasting ||= trouble.lasting
        reject(new DormouseError(trouble.name, trouble.message))
      }
      let dialled: string | undefined
      let noRoom: NodeJS.Timeout | undefined
      const look = (state: V1Pod | undefined): void => {
        if (state === undefined || state.metadata?.deletionTimestamp !== undefined)
          return fail(TAKEN_AWAY)
        latest = state
        const trouble = troubleOf(state)
        if (trouble?.lasting) return fail(trouble)
        if (trouble === undefined) clearTimeout(noRoom)
        else noRoom ??= setTimeout(() => fail(trouble), NO_ROOM_FOR_MS).unref()
        const host = state.status?.podIP
        if (host === undefined || host === dialled) return
        dialled = host
        void answers(host, signal).then(
          (up) => up && resolve({ kind: 'tcp', host, port: SIDEKICK_PORT }),
        )
      }
      look(pod)
      pods.follow(pod, look, signal).catch(reject)
      void askEvents(pods, pod, signal).then((trouble) => trouble && fail(trouble))
      void sleep(START_WITHIN_MS, undefined, { signal }).then(
        () => fail(tooLate(latest)),
        () => undefined,
      )
    })
  } catch (error) {
    // Its successor gets the name; the next attempt waits for the end that is asked for here.
    if (lasting) await pods.end(latest, 0).catch(() => undefined)
    throw error
  } finally {
    end.abort()
  }
}

const TAKEN_AWAY: Trouble = {
  name: 'ProvisionFailed',
  message: 'its pod was deleted while it started',
  lasting: false,
}

const askEvents = async (
  pods: Pods,
  pod: V1Pod,
  signal: AbortSignal,
): Promise<Trouble | undefined> => {
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined)
  await pause(ASK_EVENTS_AFTER_MS)
  while (!signal.aborted) {
    const trouble = troubleOfWarnings(await pods.warnings(pod).catch(() => []))
    if (trouble !== undefined) return trouble
    await pause(ASK_EVENTS_EVERY_MS)
  }
  return undefined
}

/** One try: whether anything takes connections where the pod's sidekick was. */
export const sidekickAnswers = (pod: V1Pod): Promise<boolean> => {
  const host = pod.status?.podIP
  return host === undefined ? Promise.resolve(false) : connects(host)
}

const answers = async (host: string, signal: AbortSignal): Promise<boolean> => {
  while (!signal.aborted) {
    if (await connects(host)) return true
    await sleep(DIAL_EVERY_MS)
  }
  return false
}

const connects = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: SIDEKICK_PORT })
    const done = (up: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(up)
    }
    const timer = setTimeout(() => done(false), DIAL_MS)
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })

const tooLate = (pod: V1Pod): Trouble => {
  const waiting = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ].flatMap(({ state }) => state?.waiting?.reason ?? [])
  const phase = pod.status?.phase ?? 'Pending'
  const why = pod.status?.podIP === undefined ? `${phase}: ${waiting.join(', ')}` : NOT_REACHED
  return {
    name: 'ProvisionFailed',
    message: `it is not up after 2 minutes (${why})`,
    lasting: false,
  }
}

const NOT_REACHED = 'its sidekick is not reached; a network policy must let gateway and workers in'
