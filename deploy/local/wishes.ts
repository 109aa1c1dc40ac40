/** Which ports the stack would like, and the variable that fixes each. */
export const WISHES = [
  { name: 'api', preferred: 8080, variable: 'DORMOUSE_API_PORT' },
  { name: 'gateway', preferred: 8081, variable: 'DORMOUSE_GATEWAY_PORT' },
  { name: 'temporal', preferred: 7233, variable: 'DORMOUSE_TEMPORAL_PORT' },
  { name: 'ui', preferred: 8233, variable: 'DORMOUSE_TEMPORAL_UI_PORT' },
  { name: 's3', preferred: 8333, variable: 'DORMOUSE_S3_PORT' },
  { name: 'postgres', preferred: 5433, variable: 'DORMOUSE_POSTGRES_PORT' },
] as const
