/** What stands on the terminal when everything is up. */
export interface Greeting {
  readonly apiOrigin: string
  readonly gatewayOrigin: string
  readonly temporalUiOrigin: string | undefined
  readonly home: string
  readonly seconds: number
  /** Only at a first start. */
  readonly firstLogin: { readonly email: string; readonly password: string } | undefined
}

export const greeting = (facts: Greeting): string => {
  const login = facts.firstLogin
  return [
    '',
    `  Dormouse is up (${facts.seconds.toFixed(1)} s).`,
    '',
    `    page       ${facts.apiOrigin}`,
    `    API        ${facts.apiOrigin}/docs`,
    `    gateway    ${facts.gatewayOrigin}`,
    ...(facts.temporalUiOrigin === undefined ? [] : [`    Temporal   ${facts.temporalUiOrigin}`]),
    `    state      ${facts.home}`,
    '',
    ...(login === undefined
      ? []
      : [
          `    log in     ${login.email}`,
          `    password   ${login.password}`,
          `    (also in ${facts.home}/first-login.txt)`,
          '',
        ]),
    '  Three things to try:',
    `    1. Open ${facts.apiOrigin}, log in, make a compute and type into its terminal.`,
    `    2. npm run demo   the whole life of a compute, in one minute.`,
    `    3. npx dormouse login   then create, shell, exec: the same from the shell; --help has the rest.`,
    '',
    '  Ctrl-C saves every compute and stops the platform; computes that are up stay up.',
    '',
  ].join('\n')
}
