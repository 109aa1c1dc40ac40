import { mintSidekickTicket, type SigningKeys } from '../../auth/keys.ts'
import type { Db } from '../../records/database.ts'
import { findSandbox } from '../../records/generations.ts'
import type { CommandEvent } from '../../sidekick/protocol.ts'
import { openConnection } from '../adapters/sidekick/connection.ts'
import type { Target } from '../contract.ts'

/** The output of a command in the sandbox of that generation; throws with it unless it exits with 0. */
export const runInside = async (
  keys: SigningKeys,
  db: Db,
  target: Target,
  command: string,
): Promise<string> => {
  const sandbox = await findSandbox(db, target)
  if (!sandbox?.address) throw new Error('the sandbox has no address')
  const { client } = openConnection(sandbox.address, sandbox.fingerprint ?? '')
  const ticket = await mintSidekickTicket(keys, { ...target, scope: 'use', subject: 'user:suite' })
  try {
    const answer = await client.request({
      method: 'POST',
      path: '/v1/exec',
      headers: { authorization: `Bearer ${ticket}`, 'content-type': 'application/json' },
      body: JSON.stringify({ command }),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`exec: ${answer.statusCode} ${text}`)
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CommandEvent)
    const output = events
      .flatMap((event) => ('data' in event ? [Buffer.from(event.data, 'base64')] : []))
      .join('')
    const exit = events.find((event) => event.type === 'exit')
    if (exit?.exitCode !== 0) throw new Error(`exit ${exit?.exitCode}: ${output}`)
    return output
  } finally {
    await client.destroy()
  }
}
