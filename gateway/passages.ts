import type { Want } from './admission.ts'
import type { PrincipalRef } from './door-cookie.ts'
import { Refusal } from './refusal.ts'

/** What a request was let through for; asked again while it goes on. */
export interface Grant extends Want {
  readonly computeId: string
  readonly generation: number
  /** null: anybody, at a public port. */
  readonly principal: PrincipalRef | null
}
export type EndCause = 'revoked' | 'fenced' | 'hibernated' | 'restarting'

/** A socket or a long answer under way. */
export interface Passage {
  readonly grant: Grant
  readonly kind: 'socket' | 'http'
  end(cause: EndCause): void
}

export interface Passages {
  /** Returns how to forget it. Throws RateLimited when its user has too many sockets. */
  add(passage: Passage): () => void
  /** Ends all of one kind; returns how many. */
  endAll(kind: Passage['kind'], cause: EndCause): number
  readonly sockets: number
  stop(): void
}

/**
 * Everything under way, asked every `recheckMs` whether it may still go on (reliability S10: 5 s).
 * `still` answers 'yes', or why not; when it cannot tell, the passage goes on.
 */
export const createPassages = (deps: {
  readonly still: (grant: Grant) => Promise<'yes' | EndCause>
  readonly recheckMs: number
  readonly socketsPerUser: number
  readonly onEnd?: (cause: EndCause) => void
}): Passages => {
  const all = new Set<Passage>()
  const socketsOf = (userId: string) =>
    [...all].filter(({ kind, grant }) => kind === 'socket' && grant.principal?.userId === userId)
      .length

  const end = (passage: Passage, cause: EndCause) => {
    all.delete(passage)
    deps.onEnd?.(cause)
    passage.end(cause)
  }
  const recheck = async () => {
    const verdicts = new Map<string, Promise<'yes' | EndCause>>()
    await Promise.all(
      [...all].map(async (passage) => {
        const key = JSON.stringify(passage.grant)
        const verdict = verdicts.get(key) ?? deps.still(passage.grant)
        verdicts.set(key, verdict)
        const answer = await verdict.catch(() => 'yes' as const)
        if (answer !== 'yes' && all.has(passage)) end(passage, answer)
      }),
    )
  }
  let running = false
  const timer = setInterval(() => {
    if (running) return
    running = true
    void recheck().finally(() => (running = false))
  }, deps.recheckMs)
  timer.unref()

  return {
    add(passage) {
      const userId = passage.grant.principal?.userId
      if (passage.kind === 'socket' && userId && socketsOf(userId) >= deps.socketsPerUser)
        throw new Refusal(
          'RateLimited',
          `At most ${deps.socketsPerUser} open sockets for one user; close some.`,
        )
      all.add(passage)
      return () => void all.delete(passage)
    },
    endAll(kind, cause) {
      const ending = [...all].filter((passage) => passage.kind === kind)
      for (const passage of ending) end(passage, cause)
      return ending.length
    },
    get sockets() {
      return [...all].filter(({ kind }) => kind === 'socket').length
    },
    stop: () => clearInterval(timer),
  }
}
