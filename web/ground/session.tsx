import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from 'react'
import { isProblem } from '../../sdk/problem.ts'
import type { Platform, User } from '../../sdk/types.ts'
import { Login } from '../login.tsx'
import { client, onSessionEnd } from './client.ts'

export interface Who {
  readonly user: User
  readonly platform: Platform
  readonly leave: () => void
}

const WhoContext = createContext<Who | undefined>(undefined)

/** Who is logged in. Only below `SessionGate`. */
export const useWho = (): Who => {
  const who = useContext(WhoContext)
  if (who === undefined) throw new Error('useWho stands outside SessionGate')
  return who
}

type Stage =
  | { readonly at: 'asking' }
  | { readonly at: 'login' }
  | { readonly at: 'unreachable'; readonly why: string }
  | { readonly at: 'in'; readonly user: User; readonly platform: Platform }

/** Shows the page to who is logged in, and the login to everybody else. */
export const SessionGate = ({ children }: { readonly children: ReactNode }) => {
  const [stage, setStage] = useState<Stage>({ at: 'asking' })
  const enter = useCallback(async () => {
    try {
      const [user, platform] = await Promise.all([client.me(), client.platform()])
      setStage({ at: 'in', user, platform })
    } catch (error) {
      setStage(stageAfter(error))
    }
  }, [])
  useEffect(() => void enter(), [enter])
  useEffect(() => onSessionEnd(() => setStage({ at: 'login' })), [])

  if (stage.at === 'asking') return null
  if (stage.at === 'login') return <Login onDone={() => void enter()} />
  if (stage.at === 'unreachable')
    return (
      <main className="lonely">
        <h1>Dormouse does not answer</h1>
        <p>{stage.why}</p>
        <button className="primary" onClick={() => void enter()}>
          Try again
        </button>
      </main>
    )
  // Whose logout was not heard is still logged in.
  const leave = () =>
    void client.logout().then(
      () => setStage({ at: 'login' }),
      (error: unknown) => setStage(stageAfter(error)),
    )
  return <WhoContext value={{ ...stage, leave }}>{children}</WhoContext>
}

const stageAfter = (error: unknown): Stage =>
  isProblem(error) && error.status === 401
    ? { at: 'login' }
    : { at: 'unreachable', why: error instanceof Error ? error.message : '' }
