# Makes the cluster and the database where there is none yet, then becomes Postgres; arguments go to it.
set -eu
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi

if [ ! -f "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD, or POSTGRES_PASSWORD_FILE to a file that holds it}"
  # A first start that was killed half-way begins anew: only a whole cluster gets the name.
  fresh="$PGDATA.new"
  rm -rf "$fresh" "$fresh.password"
  (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >"$fresh.password")
  initdb --pgdata="$fresh" --username="$POSTGRES_USER" --pwfile="$fresh.password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm "$fresh.password"
  echo 'host all all all scram-sha-256' >>"$fresh/pg_hba.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'create database "%s";\n' "$POSTGRES_DB" | postgres --single -D "$fresh" postgres >/dev/null
  fi
  mv "$fresh" "$PGDATA"
fi

unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories= "$@"
