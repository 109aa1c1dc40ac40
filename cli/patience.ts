/**
 * From here on requests of this process take as long as they take. Node's own fetch ends an upload, and an
 * answer that is silent, after five minutes, and what a command runs ends with its client. A line that is
 * dead is noticed by TCP.
 */
export const takeAllTime = async (): Promise<void> => {
  // Only for who needs it: loading it is a good part of the start of a short command.
  const { Agent, setGlobalDispatcher } = await import('undici')
  setGlobalDispatcher(new Agent({ headersTimeout: 0, bodyTimeout: 0 }))
}
