/** Main of the migration job: brings the database's schema up to date and ends. */
import { databaseUrl } from '../config/config.ts'
import { openDatabase } from '../records/database.ts'
import { migrate } from '../records/migrate.ts'

const db = openDatabase(databaseUrl(process.env), 1)
try {
  const done = await migrate(db)
  console.log(done.length === 0 ? 'the schema is up to date' : `migrated: ${done.join(', ')}`)
} finally {
  await db.destroy()
}
