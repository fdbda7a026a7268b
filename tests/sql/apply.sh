#!/bin/sh
# apply.sh [COMMAND [ARG]...]
# Make a throw-away PostgreSQL, put the SQL of this tree into it as sigsentryctl would, run COMMAND (the tests of this
# folder if there is none) with SIGSENTRY_DSN set to the owner's connection string, stop the server.  Leaves nothing.
# Works as root (the server runs as user postgres) and as anybody who has the server's programs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sql=$here/../../sql
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
dir=$(mktemp -d /tmp/sspg.XXXXXX)
user=$(id -un)

if [ "$(id -u)" -eq 0 ]; then
	user=postgres
	chown postgres "$dir"
	as() { runuser -u postgres -- "$@"; }
else
	as() { "$@"; }
fi

stop() {
	as "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM HUP

as "$bin/initdb" -D "$dir/data" -U "$user" -A peer -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir'
max_connections = 100
fsync = ${APPLY_FSYNC:-off}
END
echo 'local all all peer map=any' >"$dir/data/pg_hba.conf"
# A map of PostgreSQL 14 names each role.
for role in "$user" sigsentry_owner sigsentry_api sigsentry_courier; do
	for who in root "$(id -un)" "$user"; do
		echo "any $who $role"
	done
done | sort -u >"$dir/data/pg_ident.conf"
chmod 711 "$dir"
as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start >/dev/null

PGHOST=$dir
export PGHOST
run() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

{
	for role in sigsentry_owner sigsentry_api sigsentry_courier; do
		echo "CREATE ROLE $role LOGIN;"
	done
	echo "CREATE DATABASE sigsentry OWNER sigsentry_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';"
} | run -U "$user" -d postgres

SIGSENTRY_DSN="host=$dir dbname=sigsentry user=sigsentry_owner"
export SIGSENTRY_DSN
run -d "$SIGSENTRY_DSN" -f "$sql/migrate/init.sql"
for file in "$sql"/schema/*.sql; do
	name=$(basename "$file" .sql)
	run -d "$SIGSENTRY_DSN" -1 -f "$file" -f "$sql/migrate/note.sql" -v version="$(expr "${name%%-*}" + 0)" \
		-v name="${name#*-}" -v sha256="$(sha256sum <"$file" | cut -c 1-64)" -v program=test
done
for file in "$sql"/fn/*.sql; do
	run -d "$SIGSENTRY_DSN" -1 -f "$file"
done
run -d "$SIGSENTRY_DSN" -1 -f "$sql/grants.sql"

if [ $# -eq 0 ]; then
	set -- /usr/bin/python3 -m pytest -q -p no:cacheprovider "$here"
fi
"$@"
