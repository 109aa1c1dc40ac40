# dormouse/postgres: one Postgres that makes its cluster and its database at the first start, for trying out.
#
#   docker build -f deploy/images/postgres.Dockerfile -t dormouse/postgres deploy/images
ARG POSTGRES=docker.io/library/postgres:18-bookworm

FROM ${POSTGRES}
# initdb wants its user to have a name.
RUN useradd --uid 1000 --user-group --no-create-home dormouse \
 && install -d -o dormouse -g dormouse /var/lib/postgresql/data
COPY postgres-start.sh /usr/local/bin/postgres-start.sh
ENV PATH=/usr/lib/postgresql/18/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 \
    PGDATA=/var/lib/postgresql/data/pgdata POSTGRES_USER=dormouse POSTGRES_DB=dormouse
USER 1000:1000
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh", "/usr/local/bin/postgres-start.sh"]
CMD []
