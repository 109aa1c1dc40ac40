/** The packet filter's rules that close a node's own addresses to the computes on it: a pure text. */

/** Comes before `filter`, where network plugins put their own rules first again and again. */
export const TABLE = 'mangle'

export interface Wall {
  /** Of this chain, which belongs to one installation. */
  readonly chain: string
  /** Addresses of the computes' pods on this node. */
  readonly pods: readonly string[]
  /** Networks of resolvers on the node, whose port 53 stays open. */
  readonly resolvers: readonly string[]
}

/**
 * For `iptables-restore --noflush`, or `ip6tables-restore` with `family` 6: replaces the chain whole, so
 * that there is no moment without it. Answers to whoever dialled a pod go through.
 */
export const wallRules = ({ chain, pods, resolvers }: Wall, family: 4 | 6): string => {
  const ours = (address: string): boolean => address.includes(':') === (family === 6)
  const rules = pods
    .filter(ours)
    .toSorted()
    .flatMap((pod) => [
      ...resolvers
        .filter(ours)
        .flatMap((resolver) =>
          ['udp', 'tcp'].map(
            (protocol) =>
              `-A ${chain} -s ${pod} -d ${resolver} -p ${protocol} --dport 53 -j RETURN`,
          ),
        ),
      `-A ${chain} -s ${pod} -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP`,
    ])
  return [`*${TABLE}`, `:${chain} - [0:0]`, ...rules, 'COMMIT', ''].join('\n')
}
