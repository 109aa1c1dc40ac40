/** `812 B`, `44 kB`, `3.2 MB`, `1.5 GB`. */
export const size = (bytes: number): string => {
  if (bytes < 10_000) return `${bytes} B`
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}
