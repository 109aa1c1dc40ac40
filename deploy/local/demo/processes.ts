import { readdir, readFile } from 'node:fs/promises'

/** Processes of this machine that have anything to do with a compute, by their command line or cgroup. */
export const processesOf = async (computeId: string): Promise<readonly number[]> => {
  const pids: number[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const texts = await Promise.all(
      ['cmdline', 'cgroup'].map((file) =>
        readFile(`/proc/${name}/${file}`, 'utf8').catch(() => ''),
      ),
    )
    if (texts.some((text) => text.includes(computeId))) pids.push(pid)
  }
  return pids
}
