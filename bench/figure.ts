/** One line of the benchmark: a value and the floor or peer measured in the same run. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly floor: number | null
  readonly floorName: string | null
  /** value / floor; below 1 for rates where more is better. */
  readonly ratio: number | null
}

export const figure = (
  name: string,
  value: number,
  unit: string,
  floor?: { readonly value: number; readonly name: string },
): Figure => ({
  name,
  value: round(value),
  unit,
  floor: floor === undefined ? null : round(floor.value),
  floorName: floor?.name ?? null,
  ratio: floor === undefined ? null : round(value / floor.value),
})

export const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Milliseconds that `work` takes. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export const printTable = (figures: readonly Figure[]): void => {
  const rows = figures.map((f) => [
    f.name,
    `${f.value} ${f.unit}`,
    f.floor === null ? '' : `${f.floor} ${f.unit}`,
    f.floorName ?? '',
    f.ratio === null ? '' : `${f.ratio}×`,
  ])
  const all = [['figure', 'value', 'floor', 'floor is', 'ratio'], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
}

const round = (value: number): number => Number(value.toPrecision(4))
