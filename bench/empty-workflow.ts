import { condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow'

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '10s' })

/** The least a workflow can do and still have done something: one activity, then answer the update. */
export const empty = async (): Promise<void> => {
  let ready = false
  setHandler(defineUpdate<boolean>('ready'), async () => {
    await condition(() => ready)
    return true
  })
  await nothing()
  ready = true
  await condition(() => false, '10s')
}
