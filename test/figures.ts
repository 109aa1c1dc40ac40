/**
 * How large the fault suites are. `catalogue` (the default): the fault catalogue's own figures.
 * `ci`: the same faults at figures that fit a CI run on two cores; the run prints which were used.
 */
const chosen = process.env['DORMOUSE_FAULT_FIGURES'] ?? 'catalogue'
if (chosen !== 'catalogue' && chosen !== 'ci')
  throw new Error(`DORMOUSE_FAULT_FIGURES must be catalogue or ci, not "${chosen}"`)

export const figure = (catalogue: number, ci: number): number =>
  chosen === 'catalogue' ? catalogue : ci
