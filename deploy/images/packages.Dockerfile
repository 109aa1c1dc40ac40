# dormouse/packages: Node and the packages that the services run on; it changes only with them.
#
#   docker build -f deploy/images/packages.Dockerfile --build-arg BUILT=dormouse/build -t dormouse/packages deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG NODE=docker.io/library/node:24-bookworm-slim
ARG BUILT=dormouse/build

FROM ${NODE} AS node

FROM ${BUILT} AS built

FROM ${DEBIAN}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates iptables libstdc++6 \
 && apt-get clean \
 && useradd --uid 1000 --user-group --no-create-home dormouse \
 && rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=built /app/node_modules /app/node_modules
ENV NODE_ENV=production LANG=C.UTF-8
USER 1000:1000
WORKDIR /app/dist
ENTRYPOINT ["/usr/local/bin/node", "--enable-source-maps"]
