import { describe, expect, it } from 'vitest'
import { leftoversAmong } from './leftovers.ts'

const SOCKET = '/run/dormouse-cluster/containerd.sock'

describe('what pods leave behind', () => {
  it('is the shims of this cluster and every process below them, whoever started those', () => {
    const all = [
      { pid: 10, parent: 1, argv: ['/x/containerd-shim-runc-v2', '-address', SOCKET] },
      { pid: 11, parent: 10, argv: ['nginx'] },
      { pid: 12, parent: 11, argv: ['nginx: worker'] },
      { pid: 20, parent: 1, argv: ['runsc-sandbox', '--log=/run/dormouse-cluster/containerd/x'] },
    ]
    expect(new Set(leftoversAmong(all))).toEqual(new Set([10, 11, 12, 20]))
  })

  it('is neither another containerd’s shim nor somebody who reads our logs', () => {
    const all = [
      { pid: 1, parent: 0, argv: ['init'] },
      { pid: 30, parent: 1, argv: ['/x/containerd-shim-runc-v2', '-address', '/run/c.sock'] },
      { pid: 31, parent: 1, argv: ['less', '/run/dormouse-cluster/containerd/log'] },
    ]
    expect(leftoversAmong(all)).toEqual([])
  })
})
