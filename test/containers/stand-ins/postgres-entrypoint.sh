#!/bin/bash
# What the image `postgres` does with POSTGRES_USER, _PASSWORD, _DB and _INITDB_ARGS at the first
# start: a cluster whose superuser is that user, its database, and scram for everybody who comes
# over the network.
set -e
if [ "$(id -u)" = 0 ]; then
  chown postgres "$PGDATA"
  chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  eval "initdb --username='$POSTGRES_USER' --pwfile=<(printf '%s\n' '$POSTGRES_PASSWORD') $POSTGRES_INITDB_ARGS"
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  printf "\nlisten_addresses = '*'\n" >> "$PGDATA/postgresql.conf"
  # Nobody reaches it over the network before it is whole.
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" --no-password "$POSTGRES_DB"
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
