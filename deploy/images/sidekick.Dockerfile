# dormouse/sidekick: the agent that is put into every compute, as /sidekick, with its own Node. It is used
# as an image volume (sub-path "sidekick"), or by an init container that runs
#
#   /bin/cp -a /sidekick/. /.dormouse/
#
# Nothing else is in it: no shell, no libc.
#
#   docker build -f deploy/images/sidekick.Dockerfile --build-arg BUILT=dormouse/build -t dormouse/sidekick deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG BUILT=dormouse/build

FROM ${BUILT} AS built

FROM ${DEBIAN} AS tools
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static

FROM scratch
COPY --from=tools /bin/busybox /bin/cp
COPY --from=built /sidekick /sidekick
USER 1000:1000
