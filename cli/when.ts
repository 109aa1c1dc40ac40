/** `42s`, `7m`, `3h`, `5d`: how long ago, or how long until, in one unit. */
export const span = (ms: number): string => {
  const seconds = Math.max(0, Math.round(Math.abs(ms) / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.round(seconds / 60)}m`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)}h`
  return `${Math.round(seconds / 86_400)}d`
}

export const ago = (iso: string, nowMs = Date.now()): string =>
  `${span(nowMs - Date.parse(iso))} ago`

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `90`, `90s`, `30m`, `2h`, `1d` → seconds; `0`, `off` and `never` → 0; undefined for anything else. */
export const parseSeconds = (text: string): number | undefined => {
  if (text === 'off' || text === 'never') return 0
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(text) ?? []
  return number === undefined ? undefined : Math.round(Number(number) * UNITS[unit]!)
}
