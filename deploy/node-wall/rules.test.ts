import { describe, expect, it } from 'vitest'
import { wallRules } from './rules.ts'

const wall = {
  chain: 'DORMOUSE-X',
  pods: ['10.1.0.9', '10.1.0.2', 'fd00::2'],
  resolvers: ['169.254.20.10/32'],
}

describe('the wall around a node', () => {
  it('drops what computes begin, after the resolvers it spares', () => {
    const rules = wallRules(wall, 4).split('\n')
    expect(rules.slice(0, 5)).toEqual([
      '*mangle',
      ':DORMOUSE-X - [0:0]',
      '-A DORMOUSE-X -s 10.1.0.2 -d 169.254.20.10/32 -p udp --dport 53 -j RETURN',
      '-A DORMOUSE-X -s 10.1.0.2 -d 169.254.20.10/32 -p tcp --dport 53 -j RETURN',
      '-A DORMOUSE-X -s 10.1.0.2 -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP',
    ])
    expect(rules.filter((rule) => rule.endsWith('DROP'))).toHaveLength(2)
  })

  it('keeps the families of addresses apart', () => {
    expect(wallRules(wall, 6)).toBe(
      [
        '*mangle',
        ':DORMOUSE-X - [0:0]',
        '-A DORMOUSE-X -s fd00::2 -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP',
        'COMMIT',
        '',
      ].join('\n'),
    )
  })

  it('empties its chain when no compute is left', () => {
    expect(wallRules({ ...wall, pods: [] }, 4)).toBe('*mangle\n:DORMOUSE-X - [0:0]\nCOMMIT\n')
  })
})
