import { useState, type FormEvent } from 'react'
import { client } from './ground/client.ts'

export const Login = ({ onDone }: { readonly onDone: () => void }) => {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setProblem('')
    try {
      await client.login(String(form.get('email')), String(form.get('password')), { cookie: true })
      onDone()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className="login">
      <form onSubmit={(event) => void submit(event)} className="card">
        <img src="/dormouse.svg" alt="" width="56" height="56" />
        <h1>Dormouse</h1>
        <p className="muted">Computes that sleep.</p>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <p className="problem" role="alert">
          {problem}
        </p>
        <button className="primary wide" disabled={busy}>
          {busy ? 'Logging in …' : 'Log in'}
        </button>
      </form>
    </main>
  )
}
