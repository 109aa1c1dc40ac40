# dormouse/temporal: Temporal's development server with its state in one file, for trying out.
#
#   docker build -f deploy/images/temporal.Dockerfile -t dormouse/temporal deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG TEMPORAL=docker.io/temporalio/admin-tools:1.28

FROM ${TEMPORAL} AS temporal

FROM ${DEBIAN}
# It looks up its user's name and ends without one.
RUN useradd --uid 1000 --user-group --no-create-home dormouse
COPY --from=temporal /usr/local/bin/temporal /usr/local/bin/temporal
USER 1000:1000
ENV HOME=/tmp
EXPOSE 7233 8233
ENTRYPOINT ["/usr/local/bin/temporal"]
CMD ["server", "start-dev", "--ip", "0.0.0.0"]
