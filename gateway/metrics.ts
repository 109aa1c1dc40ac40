import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'

export interface Metrics {
  readonly registry: Registry
  /** `what`: the kind of place and `http` or `socket`. Never an id: series must not grow with computes. */
  request(what: string, status: number): void
  dial(ok: boolean): void
  wake(outcome: string): void
  end(cause: string): void
}

export const createMetrics = (openSockets: () => number): Metrics => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ) => new Counter({ name: `dormouse_gateway_${name}`, help, labelNames, registers: [registry] })
  const requests = counter('requests_total', 'Requests answered', ['what', 'status'])
  const dials = counter('dials_total', 'Connections to sidekicks tried', ['outcome'])
  const wakes = counter('wakes_total', 'Computes woken for a request', ['outcome'])
  const ends = counter('ended_total', 'Sockets and streams ended by the gateway', ['cause'])
  new Gauge({
    name: 'dormouse_gateway_sockets',
    help: 'Open WebSockets',
    registers: [registry],
    collect() {
      this.set(openSockets())
    },
  })
  return {
    registry,
    request: (what, status) => requests.inc({ what, status }),
    dial: (ok) => dials.inc({ outcome: ok ? 'connected' : 'failed' }),
    wake: (outcome) => wakes.inc({ outcome }),
    end: (cause) => ends.inc({ cause }),
  }
}
