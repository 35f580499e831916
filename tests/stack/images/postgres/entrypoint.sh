#!/bin/sh
# As root: give the volume to postgres. As postgres: make the cluster once, then serve.
set -eu
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA"
	chown -R postgres:postgres "$PGDATA"
	chmod 700 "$PGDATA"
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/postgres)")
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	# shellcheck disable=SC2086  # options, as in the official image
	"$bin/initdb" --encoding=UTF8 --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-} \
		--auth-local=trust >/dev/null
	echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
	"$bin/pg_ctl" -w -o "-c listen_addresses= -k /tmp" start >/dev/null
	"$bin/createdb" -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
	"$bin/pg_ctl" -w -m fast stop >/dev/null
fi
exec "$bin/postgres" -c listen_addresses='*' -k /tmp
