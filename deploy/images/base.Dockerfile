# dormouse/base: what a compute sees when nobody chose another image. Its sidekick and that one's own
# Node are mounted from dormouse/sidekick; the Node in here belongs to the user.
#
#   docker build -f deploy/images/base.Dockerfile -t dormouse/base deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG NODE=docker.io/library/node:24-bookworm-slim

FROM ${NODE} AS node

FROM ${DEBIAN}
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      bash ca-certificates coreutils curl file findutils git gzip iproute2 iputils-ping less libatomic1 \
      nano openssh-client procps psmisc python3 python3-pip python3-venv unzip util-linux xz-utils zstd \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/*.log /var/cache/debconf/*-old \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
 && groupadd --gid 1000 user \
 && useradd --uid 1000 --gid 1000 --home-dir /home/user --create-home --shell /bin/bash user \
 && install -d -o user -g user /opt/env \
 && install -d /.dormouse
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV LANG=C.UTF-8 SHELL=/bin/bash HOME=/home/user USER=user
USER 1000:1000
WORKDIR /home/user
CMD ["sleep", "infinity"]
