# dormouse/seaweedfs: an object store in one process, for trying out.
#
#   docker build -f deploy/images/seaweedfs.Dockerfile -t dormouse/seaweedfs deploy/images
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG SEAWEEDFS=docker.io/chrislusf/seaweedfs:4.48

FROM ${SEAWEEDFS} AS seaweedfs

FROM ${DEBIAN}
RUN useradd --uid 1000 --user-group --no-create-home dormouse
COPY --from=seaweedfs /usr/bin/weed /usr/bin/weed
USER 1000:1000
WORKDIR /tmp
ENV HOME=/tmp
EXPOSE 8333
ENTRYPOINT ["/usr/bin/weed"]
CMD ["server", "-dir=/tmp", "-ip.bind=0.0.0.0", "-s3"]
