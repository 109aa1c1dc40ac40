/** Every workflow: the one file a worker bundles. */
export { compute } from './compute/workflow.ts'
export { janitor } from './janitor/workflow.ts'
export { scheduleTick } from './schedule-tick/workflow.ts'
