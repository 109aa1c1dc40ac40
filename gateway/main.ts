import { pino } from 'pino'
import { databaseUrl, gatewayConfig } from '../config/config.ts'
import { openDatabase } from '../records/database.ts'
import { composeGateway } from './compose.ts'

const logger = pino({ name: 'gateway' })
const config = gatewayConfig(process.env)
const db = openDatabase(databaseUrl(process.env))
const gateway = composeGateway(config, db, (message, facts) => logger.error(facts, message))

gateway.server.listen(config.port, config.host, () =>
  logger.info({ address: gateway.server.address(), origin: config.origin }, 'listening'),
)

let stopping = false
const stop = async (signal: string) => {
  if (stopping) return
  stopping = true
  logger.info({ signal }, 'draining')
  await gateway.drain()
  await db.destroy()
  logger.info('stopped')
}
process.once('SIGTERM', (signal) => void stop(signal))
process.once('SIGINT', (signal) => void stop(signal))
// A mistake of ours. What is under way is told to come back, and the next process starts clean.
process.on('uncaughtException', (error) => {
  logger.fatal({ error: error instanceof Error ? error.stack : String(error) }, 'uncaught')
  process.exitCode = 1
  setTimeout(() => process.exit(), config.drainMs + 5_000).unref()
  void stop('uncaughtException')
})
