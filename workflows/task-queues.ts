/** Queue names end in these words; a prefix (tests, several installations) stands before both. */
export const CONTROL_QUEUE = 'control'
export const DATA_QUEUE = 'data'

/** The data queue that belongs to a workflow's own queue. */
export const dataQueueBeside = (controlQueue: string): string =>
  controlQueue.slice(0, controlQueue.length - CONTROL_QUEUE.length) + DATA_QUEUE
