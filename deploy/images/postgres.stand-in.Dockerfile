# What postgres.Dockerfile takes from the public image, from npm's binaries of the same Postgres.
ARG DEBIAN
ARG POSTGRES

FROM ${POSTGRES} AS postgres

FROM ${DEBIAN}
COPY --from=postgres /usr/lib/postgresql /usr/lib/postgresql
