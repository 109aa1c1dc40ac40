/**
 * Whether a reference is of a source of DORMOUSE_IMAGE_SOURCES: a registry, a folder in one or a repository,
 * with or without a slash at its end, by whole parts of the path: `ghcr.io/team` has nothing to do with
 * `ghcr.io/team-b`. `*` is every one.
 */
export const comesFrom = (reference: string, source: string): boolean => {
  if (source === '*') return true
  const whole = source.replace(/\/+$/, '')
  if (whole === '' || !reference.startsWith(whole)) return false
  const rest = reference.slice(whole.length)
  // Of a registry alone, what follows a colon is the port of another one.
  const isRepository = whole === source && whole.includes('/')
  return rest.startsWith('/') || (isRepository && (rest === '' || /^[:@]/.test(rest)))
}
