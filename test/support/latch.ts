/** Something that happens once, and what waits for it. */
export const latch = () => {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open: () => open(), opened }
}
