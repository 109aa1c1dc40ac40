# dormouse/platform: API, gateway, workers and the migration job. Which of them a container is, says its
# argument: the name of a file in dist/ (api.js, gateway.js, worker.js, data-worker.js, ...).
#
#   docker build -f deploy/images/platform.Dockerfile --build-arg BUILT=dormouse/build \
#     --build-arg PACKAGES=dormouse/packages -t dormouse/platform deploy/images
ARG PACKAGES=dormouse/packages
ARG BUILT=dormouse/build

FROM ${BUILT} AS built

FROM ${PACKAGES}
COPY --from=built /app/package.json /app/package.json
COPY --from=built /app/dist /app/dist
USER 1000:1000
CMD ["api.js"]
