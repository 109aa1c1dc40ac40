/** Which ports the stack would like, and the variable that fixes each. */
export const WISHES = [
  { name: 'api', preferred: 8080, variable: 'DORMOUSE_API_PORT' },
  { name: 'gateway', preferred: 8081, variable: 'DORMOUSE_GATEWAY_PORT' },
  { name: 'temporal', preferred: 7233, variable: 'DORMOUSE_TEMPORAL_PORT' },
  { name: 'ui', preferred: 8233, variable: 'DORMOUSE_TEMPORAL_UI_PORT' },
  { name: 's3', preferred: 8333, variable: 'DORMOUSE_S3_PORT' },
  { name: 'postgres', preferred: 5433, variable: 'DORMOUSE_POSTGRES_PORT' },
  // Between SeaweedFS's own parts: nobody else calls them, so a move is of no interest to anyone.
  { name: 's3Grpc', preferred: 18_333, quiet: true },
  { name: 'master', preferred: 9_333, quiet: true },
  { name: 'masterGrpc', preferred: 19_333, quiet: true },
  { name: 'volume', preferred: 9_340, quiet: true },
  { name: 'volumeGrpc', preferred: 19_340, quiet: true },
  { name: 'filer', preferred: 8_888, quiet: true },
  { name: 'filerGrpc', preferred: 18_888, quiet: true },
] as const
