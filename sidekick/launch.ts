/**
 * How a runtime starts the sidekick: `[/.dormouse/node, ...SIDEKICK_NODE_FLAGS, /.dormouse/sidekick.mjs, ...]`.
 * Users may send it signals, and one would open a debugger to them. The others keep an idle sidekick
 * small: a young generation of 1 MiB instead of 16, one worker of V8.
 */
export const SIDEKICK_NODE_FLAGS = [
  '--disable-sigusr1',
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
] as const
