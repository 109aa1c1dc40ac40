const RLIMIT_NPROC = 6

/** This process and all that come of it may be `most` together. Throws when the kernel refuses. */
export const limitProcesses = async (most: number): Promise<void> => {
  // Node has no call for it, and what has one takes a moment that a start need not wait for.
  const { default: koffi } = await import('koffi')
  const limits = Buffer.alloc(16)
  limits.writeBigUInt64LE(BigInt(most), 0)
  limits.writeBigUInt64LE(BigInt(most), 8)
  const setrlimit = koffi.load(null).func('int setrlimit(int resource, void *limits)')
  if (setrlimit(RLIMIT_NPROC, limits) !== 0) throw new Error('setrlimit refuses')
}
