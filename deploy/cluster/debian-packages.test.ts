import { describe, expect, it } from 'vitest'
import { missingPackages, PackagesMissing } from './debian-packages.ts'

const statusOf = async (name: string): Promise<string> => {
  if (name === 'runc') return 'Package: runc\nStatus: install ok installed\nVersion: 1\n'
  if (name === 'ipset') return 'Package: ipset\nStatus: deinstall ok config-files\n'
  throw new Error('dpkg-query: package is not installed')
}

describe('Debian packages', () => {
  it('one that is unknown, or removed but for its settings, is missing', async () => {
    const wanted = { runc: 'it runs', ipset: 'it filters', conntrack: 'it forgets' }
    expect(await missingPackages(wanted, statusOf)).toEqual({
      ipset: 'it filters',
      conntrack: 'it forgets',
    })
  })

  it('a refusal names each with its reason, and the command that installs them all', () => {
    const { message } = new PackagesMissing({ ipset: 'it filters', conntrack: 'it forgets' })
    expect(message).toContain('ipset: it filters')
    expect(message).toContain('conntrack: it forgets')
    expect(message).toContain('apt-get install -y --no-install-recommends ipset conntrack')
    expect(message).toContain('KUBECONFIG')
  })
})
