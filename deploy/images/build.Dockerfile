# dormouse/build: the checkout built (/app: dist/ and the packages that run needs; /sidekick). The other
# images copy from it; it is never run.
#
#   docker build -f deploy/images/build.Dockerfile -t dormouse/build .
ARG NODE=docker.io/library/node:24-bookworm

FROM ${NODE}
WORKDIR /app
COPY . .
RUN npm ci \
 && npm run -s build \
 && npm prune --omit=dev \
 && node deploy/images/slim-installed.ts node_modules \
 && mv dist/sidekick /sidekick
