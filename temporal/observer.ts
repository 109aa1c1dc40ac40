/** Main of the observer, where it is a process of its own: tells computes' workflows what befell their sandboxes. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { composeObserver } from '../activities/compose.ts'
import { startObserver } from '../activities/observer.ts'
import { workerConfig } from '../config/config.ts'
import { answerHealth, listenAt } from './health.ts'

const env = process.env
const { healthAddress, metricsAddress } = workerConfig(env)
const registers = [new Registry()]
const [registry] = registers as [Registry]
collectDefaultMetrics({ register: registry })
const looks = new Counter({
  name: 'dormouse_observer_looks_total',
  help: 'Rounds that compared what should be up with what is, by outcome',
  labelNames: ['outcome'],
  registers,
})
const told = new Counter({
  name: 'dormouse_observer_told_total',
  help: 'Signals to computes, by what was seen; what lasts is told again',
  labelNames: ['what'],
  registers,
})

const { deps, options, close } = composeObserver(env)
const observer = startObserver(deps, {
  ...options,
  notes: {
    looked: (ok) => looks.inc({ outcome: ok ? 'ok' : 'failed' }),
    told: (what) => told.inc({ what }),
  },
})
const isKnown = (): boolean => observer.standing() !== 'unknown'
new Gauge({
  name: 'dormouse_observer_leading',
  help: '1: this one observes; 0: it stands by',
  registers,
  collect() {
    this.set(observer.standing() === 'leading' ? 1 : 0)
  },
})

const servers = [
  // A restart mends nothing while the cluster's API is away: that makes it unready, not unhealthy.
  answerHealth(healthAddress, () => true, isKnown),
  listenAt(metricsAddress, async () => ({
    status: 200,
    type: registry.contentType,
    body: await registry.metrics(),
  })),
]

const end = async (): Promise<void> => {
  for (const server of servers) server?.close()
  await observer.stop()
  await close()
  process.exit(0)
}
process.once('SIGTERM', () => void end())
process.once('SIGINT', () => void end())
