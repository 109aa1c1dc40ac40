import { describe, expect, it } from 'vitest'
import { assertSeparateSites, createHostRule, parsePort } from './hosts.ts'

const ID = 'abcdefghij0123456789'
const rule = createHostRule({
  origin: 'https://gw.example.com',
  portDomain: 'apps.example.net',
  extraHosts: ['dormouse-gateway:8081'],
})
const local = createHostRule({ origin: 'http://localhost:8081', portDomain: 'localhost' })

describe('a Host header', () => {
  it('names the gateway, a compute or a port, in any case of letters and with the default port', () => {
    for (const host of [
      'gw.example.com',
      'GW.Example.com',
      'gw.example.com:443',
      'dormouse-gateway:8081',
    ])
      expect(rule.place(host)).toEqual({ kind: 'gateway' })
    expect(rule.place(`${ID}.apps.example.net`)).toEqual({ kind: 'compute', computeId: ID })
    expect(rule.place(`3000-${ID}.apps.example.net:443`)).toEqual({
      kind: 'port',
      computeId: ID,
      port: 3000,
    })
    expect(local.place('127.0.0.1:8081')).toEqual({ kind: 'gateway' })
    expect(local.place(`80-${ID}.localhost:8081`)).toEqual({
      kind: 'port',
      computeId: ID,
      port: 80,
    })
  })

  it('of any other form is none of ours', () => {
    for (const host of [
      '',
      'example.com',
      'gw.example.com.',
      'gw.example.com:80',
      `x.${ID}.apps.example.net`,
      `0-${ID}.apps.example.net`,
      `65536-${ID}.apps.example.net`,
      `03000-${ID}.apps.example.net`,
      `3000-${ID}x.apps.example.net`,
      'apps.example.net',
      `${ID}.apps.example.net.evil.com`,
      `user@gw.example.com`,
      '127.0.0.1',
      'gw.example.com/..',
    ])
      expect(rule.place(host), host).toBeUndefined()
    expect(local.place('localhost:8080')).toBeUndefined()
  })
})

it('a port is a decimal integer from 1 to 65535 and nothing else', () => {
  expect([1, 80, 65_535].map(String).map(parsePort)).toEqual([1, 80, 65_535])
  for (const text of [
    '',
    '0',
    '00',
    '080',
    '-1',
    '+1',
    '1e3',
    '0x50',
    '65536',
    '100000',
    ' 80',
    '80 ',
    '８０',
    '80.0',
  ])
    expect(parsePort(text), text).toBeUndefined()
})

describe('the port domain', () => {
  it("may not be of the API's site", () => {
    for (const [domain, api] of [
      ['example.com', 'https://example.com'],
      ['example.com', 'https://app.example.com'],
      ['apps.example.com', 'https://example.com'],
      ['apps.example.com', 'https://app.example.com'],
      ['apps.example.co.uk', 'https://www.example.co.uk'],
    ] as const)
      expect(() => assertSeparateSites(domain, api), `${domain} ${api}`).toThrow('one site')
  })

  it('may be another registrable domain, or localhost beside a local API', () => {
    for (const [domain, api] of [
      ['example.net', 'https://app.example.com'],
      ['two.co.uk', 'https://one.co.uk'],
      ['one.github.io', 'https://two.github.io'],
      ['localhost', 'http://localhost:8080'],
      ['localhost', 'http://127.0.0.1:8080'],
    ] as const)
      expect(() => assertSeparateSites(domain, api), `${domain} ${api}`).not.toThrow()
  })
})
