import pRetry from 'p-retry'

/** The database, or the way to it, failed; not the query. */
export const isDatabaseAway = (error: { code?: string; message?: string }): boolean =>
  /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EPIPE|57P0\d|08\d{3}|53300)$/.test(
    error.code ?? '',
  ) ||
  /timeout exceeded when trying to connect|Connection terminated|not queryable/.test(
    error.message ?? '',
  )

/** For the start of a process: the work again, for up to half a minute, while the database restarts. */
export const onceDatabaseAnswers = <T>(work: () => Promise<T>): Promise<T> =>
  pRetry(work, {
    retries: 30,
    minTimeout: 200,
    maxTimeout: 1_000,
    shouldRetry: ({ error }) => isDatabaseAway(error),
  })
