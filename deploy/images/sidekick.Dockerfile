# dormouse/sidekick: the agent that is put into every compute, as /sidekick, with its own Node. It is used
# as an image volume mounted at /.dormouse, or by an init container that runs
#
#   /bin/cp -a /sidekick/. /.dormouse/
#
# Nothing else is in it: no shell, no libc. The links are for container runtimes that mount an image whole
# although a sub-path was asked for (containerd before 2.2): /.dormouse/node is there in either case.
#
#   docker build -f deploy/images/sidekick.Dockerfile --build-arg BUILT=dormouse/build -t dormouse/sidekick deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG BUILT=dormouse/build

FROM ${BUILT} AS built

FROM ${DEBIAN} AS tools
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static
RUN mkdir /links \
 && for name in cache main.mjs node node_modules saves-thread.mjs sidekick.mjs; do \
      ln -s "sidekick/$name" "/links/$name"; \
    done

FROM scratch
COPY --from=tools /bin/busybox /bin/cp
COPY --from=tools /links/ /
COPY --from=built /sidekick /sidekick
USER 1000:1000
