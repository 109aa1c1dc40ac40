/** One variable of the environment each; an error names the variable and what it must be. */
export type Env = Readonly<Record<string, string | undefined>>

export const required = (env: Env, name: string): string => {
  const value = env[name]
  if (value === undefined || value === '')
    throw new Error(`${name} is not set; see docs/configuration.md`)
  return value
}

export const milliseconds = (env: Env, name: string, fallback: number): number => {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`${name} must be a whole number of milliseconds, not "${text}"`)
  return value
}

export const port = (env: Env, name: string, fallback: number): number => {
  const value = Number(env[name] ?? fallback)
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new Error(`${name} must be a port number, not "${env[name]}"`)
  return value
}

export const count = (env: Env, name: string, fallback: number): number => {
  const value = Number(env[name] || fallback)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number from 1, not "${env[name]}"`)
  return value
}

export const whole = (env: Env, name: string): number => {
  const value = Number(env[name] || 0)
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`${name} must be a whole number from 0, not "${env[name]}"`)
  return value
}

export const list = (env: Env, name: string): readonly string[] =>
  (env[name] ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

export const oneOf = <const T extends string>(
  env: Env,
  name: string,
  values: readonly [T, ...T[]],
): T => {
  const text = env[name] || values[0]
  const value = values.find((one) => one === text)
  if (value === undefined) throw new Error(`${name} must be ${values.join(' or ')}, not "${text}"`)
  return value
}

export const optional = <K extends string>(name: K, value: string | undefined) =>
  (value === undefined || value === '' ? {} : { [name]: value }) as { readonly [key in K]?: string }
