/** Runs `work(0…count-1)`, at most `atOnce` of them at a time; the first failure ends it. */
export const forEachAtOnce = async (
  count: number,
  atOnce: number,
  work: (n: number) => Promise<void>,
): Promise<void> => {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  const lanes = Array.from({ length: Math.min(atOnce, count) }, lane)
  await Promise.all(lanes).catch((error: unknown) => {
    next = count
    throw error
  })
}
