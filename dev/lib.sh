# shellcheck shell=bash
# What the scripts of dev/ share: where things lie, and how each part of a development stack is made,
# started and stopped.  Sourced; every script that does so runs under `set -euo pipefail`.
#
# A stack is a folder, RUN_DIR.  What runs is known by the pid files in it, and each pid is looked at
# before it gets a signal, since numbers are used again.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit
# nginx lies in /usr/sbin, which is not in everybody's path.
PATH=$PATH:/usr/sbin:/sbin
umask 022

RUN_DIR=$(realpath -m "${RUN_DIR:-run}")
BUILD_DIR=$(realpath -m "${BUILD_DIR:-$RUN_DIR/build}")
CONFIGURE_FLAGS=${CONFIGURE_FLAGS:-}

LOG_DIR=$RUN_DIR/log
CONF=$RUN_DIR/sigsentry.conf
TLS_DIR=$RUN_DIR/tls
NGINX_DIR=$RUN_DIR/nginx
SINK_DIR=$RUN_DIR/sink
API_PID=$RUN_DIR/api.pid
COURIER_PID=$RUN_DIR/courier.pid
NGINX_PID=$RUN_DIR/nginx.pid
CTL=$BUILD_DIR/src/sigsentryctl
API=$BUILD_DIR/src/sigsentry-api
COURIER=$BUILD_DIR/src/sigsentry-courier

# The receiver of the demo's webhook; the courier is led there by egress_connect_to.
SINK_NAME=sink.example.com

# Where a Unix socket's path would be longer than this, it lies below /tmp (unix(7): 107 bytes at most).
SOCKET_PATH_MAX=100

say() {
	printf '%s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

is_root() {
	[[ $(id -u) -eq 0 ]]
}

# What autoconf and nginx's configuration could not bear in a path.
check_paths() {
	[[ $RUN_DIR$BUILD_DIR =~ ^[A-Za-z0-9_./+@:-]+$ ]] ||
		die "the paths $RUN_DIR and $BUILD_DIR may hold letters, digits and _./+@:- only; put the tree elsewhere or set RUN_DIR"
}

# wait_until SECONDS COMMAND...: true as soon as the command is, false when the time is over.
wait_until() {
	local tries=$(($1 * 20))

	shift
	until "$@"; do
		((tries-- > 0)) || return 1
		sleep 0.05
	done
}

# Processes ------------------------------------------------------------------------------------------

# is_ours FILE WORD: is the process whose pid stands in FILE alive, with WORD in its command line?
is_ours() {
	local pid

	[[ -s $1 ]] && read -r pid <"$1" && [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] &&
		tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2"
}

is_not_ours() {
	! is_ours "$@"
}

# end_process FILE WORD SIGNAL SECONDS: send the signal, wait, and kill where that was not enough.
end_process() {
	local file=$1 word=$2 signal=$3 seconds=$4

	if is_ours "$file" "$word"; then
		kill "-$signal" "$(<"$file")"
		if ! wait_until "$seconds" is_not_ours "$file" "$word"; then
			say "process $(<"$file") did not end within $seconds s of SIG$signal and is killed"
			kill -KILL "$(<"$file")" || true
			wait_until 5 is_not_ours "$file" "$word" || true
		fi
	fi
	rm -f "$file"
}

# A program is started anew when a file it was started with has changed since.
remember() {
	local name=$1

	shift
	sha256sum "$@" >"$RUN_DIR/$name.started"
}

has_changed() {
	local name=$1

	shift
	! sha256sum "$@" | cmp -s - "$RUN_DIR/$name.started"
}

# The clock ------------------------------------------------------------------------------------------

# A stack may have a clock of its own: the files run/pg/clock.database and clock.programs say how far PostgreSQL and the
# programs are ahead of the machine.  Who is started with clock_vars in its environment goes by its file, by way of
# tests/play/leap.c: so a test lets time pass, or sets the time of day, by writing two files.

# clock_vars database|programs: nothing where there is no such clock.
clock_vars() {
	local file=$RUN_DIR/pg/clock.$1

	[[ -e $file ]] || return 0
	say "LD_PRELOAD=$(realpath "$RUN_DIR/pg/leap.so") LEAP_CLOCK=$(realpath "$file")"
}

# Where FAKE_CLOCK is set.  Time never goes back: a stack that has such a clock keeps it.
clock_make() {
	[[ -n ${FAKE_CLOCK:-} && ! -e $PG_DIR/clock.programs ]] || return 0
	make -C "$BUILD_DIR" -s tests/play/leap.so >>"$LOG_DIR/build.log" 2>&1 || show_build_log
	cp "$BUILD_DIR/tests/play/leap.so" "$PG_DIR"
	truncate -s 16 "$PG_DIR/clock.database" "$PG_DIR/clock.programs"
}

# The programs ---------------------------------------------------------------------------------------

build() {
	local stamp=$BUILD_DIR/configured how="$ROOT/configure $CONFIGURE_FLAGS"

	: >"$LOG_DIR/build.log"
	if [[ ! -x configure || configure -ot configure.ac ]]; then
		autoreconf -fi >>"$LOG_DIR/build.log" 2>&1 || show_build_log
	fi
	mkdir -p "$BUILD_DIR"
	if [[ ! -e $BUILD_DIR/Makefile || ! -e $stamp || $(<"$stamp") != "$how" ]]; then
		# shellcheck disable=SC2086 # a command and its flags
		(cd "$BUILD_DIR" && $how) >>"$LOG_DIR/build.log" 2>&1 || show_build_log
		printf '%s\n' "$how" >"$stamp"
	fi
	make -C "$BUILD_DIR" -s -j"$(nproc)" >>"$LOG_DIR/build.log" 2>&1 || show_build_log
}

show_build_log() {
	tail -n 40 "$LOG_DIR/build.log" >&2
	die "the build failed; all of it is in $LOG_DIR/build.log"
}

# PostgreSQL -----------------------------------------------------------------------------------------

# It refuses to run as root, and so runs as the user postgres then.  Like everything that goes on
# in the background here it must not keep a caller's pipes open.
as_postgres() (
	cd /
	if is_root; then
		exec runuser -u postgres -- "$@"
	fi
	exec "$@"
)

# Sets PG_BIN, and PG_DIR where there is a cluster already.
pg_find() {
	local candidate

	PG_BIN=
	for candidate in "$(pg_config --bindir 2>/dev/null || true)" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
		if [[ -x $candidate/initdb ]]; then
			PG_BIN=$candidate
			break
		fi
	done
	[[ -n $PG_BIN ]] || die "no initdb of PostgreSQL was found; run dev/packages run"
	PG_DIR=$(realpath -e "$RUN_DIR/pg" 2>/dev/null || true)
}

# Sets PG_DIR to a folder that the server's user can reach and whose socket path is short enough: run/pg, or
# one below /tmp that run/pg points to.
pg_place() {
	local socket=$RUN_DIR/pg/.s.PGSQL.5432

	[[ -z $PG_DIR ]] || return 0
	rm -f "$RUN_DIR/pg"
	if [[ ${#socket} -le $SOCKET_PATH_MAX ]]; then
		mkdir "$RUN_DIR/pg"
		if as_postgres test -x "$RUN_DIR/pg"; then
			PG_DIR=$RUN_DIR/pg
		else
			rmdir "$RUN_DIR/pg"
		fi
	fi
	if [[ -z $PG_DIR ]]; then
		PG_DIR=$(mktemp -d /tmp/sigsentry.XXXXXX)
		chmod 755 "$PG_DIR"
		ln -s "$PG_DIR" "$RUN_DIR/pg"
	fi
	if is_root; then
		chown postgres: "$PG_DIR"
	fi
}

# Who may be whom: root, the server's user and the one who runs this may be every role of the stack.
pg_ident_lines() {
	local user role

	# and, where the packages are installed, the users of the roles' names, whom root takes on
	for user in $(printf '%s\n' root postgres sigsentry_owner "$(id -un)" | sort -u); do
		for role in postgres sigsentry_owner sigsentry_api sigsentry_courier; do
			printf 'stack %s %s\n' "$user" "$role"
		done
	done
}

pg_init() {
	[[ ! -e $PG_DIR/data/PG_VERSION ]] || return 0
	as_postgres rm -rf "$PG_DIR/data"
	as_postgres "$PG_BIN/initdb" -D "$PG_DIR/data" -U postgres -A peer -E UTF8 --locale=C --no-instructions \
		>"$LOG_DIR/initdb.log" 2>&1 || die "initdb failed: $(tail -n 3 "$LOG_DIR/initdb.log")"
	as_postgres tee -a "$PG_DIR/data/postgresql.conf" <<<"include 'stack.conf'" >/dev/null
}

# Written at each start, so that a change here reaches an old cluster too.
pg_configure() {
	pg_write "$PG_DIR/data/stack.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$PG_DIR'
		max_connections = 200
		max_prepared_transactions = 8
		shared_buffers = 128MB
		fsync = on
		synchronous_commit = on
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_line_prefix = '%m [%p] %q%u@%d '
	END
	# and whose copy a test makes
	pg_write "$PG_DIR/data/pg_hba.conf" < <(printf '%s\n' 'local all all peer map=stack' 'local replication postgres peer map=stack')
	pg_write "$PG_DIR/data/pg_ident.conf" < <(pg_ident_lines)
}

pg_write() {
	as_postgres tee "$1" >/dev/null
}

pg_is_up() {
	is_ours "$PG_DIR/data/postmaster.pid" "$PG_DIR/data"
}

pg_start() {
	pg_is_up && return 0
	pg_configure
	# shellcheck disable=SC2046 # words
	as_postgres env $(clock_vars database) "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -w -t 60 start </dev/null >>"$LOG_DIR/postgresql.log" 2>&1 ||
		die "PostgreSQL did not start: $(tail -n 5 "$LOG_DIR/postgresql.log")"
}

pg_stop() {
	pg_is_up || return 0
	as_postgres "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -w -t 60 -m fast stop >/dev/null ||
		die "PostgreSQL did not stop; see $LOG_DIR/postgresql.log"
}

# As a crash of the whole server: no process of it gets to do anything more.
pg_kill() {
	local pid pids

	pg_is_up || return 0
	pid=$(head -n 1 "$PG_DIR/data/postmaster.pid")
	pids="$pid $(cat "/proc/$pid/task/$pid/children")"
	# shellcheck disable=SC2086 # many pids; some may be gone already
	kill -KILL $pids 2>/dev/null || true
	# shellcheck disable=SC2086
	wait_until 10 none_runs $pids || die "processes of PostgreSQL outlive SIGKILL: $pids"
	# A dead process that nobody has waited for yet would look alive to the next server.
	rm -f "$PG_DIR/data/postmaster.pid" "$PG_DIR/.s.PGSQL.5432.lock"
}

none_runs() {
	local pid

	for pid in "$@"; do
		[[ ! -e /proc/$pid ]] || grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null || return 1
	done
}

# Certificates ---------------------------------------------------------------------------------------

# Our own authority, and of it a certificate for the names of the stack; both anew before they end.
make_certificates() {
	local days=825

	if openssl x509 -in "$TLS_DIR/server.pem" -noout -checkend 604800 >/dev/null 2>&1 &&
		openssl x509 -in "$TLS_DIR/server.pem" -noout -checkhost $SINK_NAME | grep -q 'does match'; then
		return 0
	fi
	mkdir -p "$TLS_DIR"
	(
		cd "$TLS_DIR"
		umask 077
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days \
			-subj "/CN=SigSentry development CA" -keyout ca.key -out ca.pem \
			-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
			-keyout server.key -out server.csr
		openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -out server.pem -extfile - <<-END
			basicConstraints = critical, CA:FALSE
			keyUsage = critical, digitalSignature
			extendedKeyUsage = serverAuth
			subjectAltName = DNS:localhost, DNS:api.sigsentry.test, DNS:$SINK_NAME, IP:127.0.0.1
			subjectKeyIdentifier = hash
			authorityKeyIdentifier = keyid
		END
		rm -f server.csr
		chmod 644 ca.pem server.pem
	) >"$LOG_DIR/tls.log" 2>&1 || die "no certificate could be made; see $LOG_DIR/tls.log"
	rm -f "$RUN_DIR/nginx.started"
}

# Whom the stack's courier trusts: our own authority, for the sink, and those of this machine, for the real platforms.
make_egress_file() {
	cat "$TLS_DIR/ca.pem" /etc/ssl/certs/ca-certificates.crt >"$TLS_DIR/egress.pem" 2>/dev/null ||
		cp "$TLS_DIR/ca.pem" "$TLS_DIR/egress.pem"
}

# The config file ------------------------------------------------------------------------------------

# The socket stands beside PostgreSQL's where the run folder's own path is too long.
api_socket() {
	local socket=$RUN_DIR/api.sock

	[[ ${#socket} -le $SOCKET_PATH_MAX ]] || socket=$PG_DIR/api.sock
	say "$socket"
}

# write_config FILE KEY=VALUE...: the stack's settings; what is given wins; of egress_connect_to, a list, it comes first, and
# the sink's place stays behind it.
write_config() {
	local file=$1 pair key
	local -A value=()
	local -a order=()

	shift
	for pair in "database=host=$PG_DIR dbname=sigsentry" "api_socket=$(api_socket)" "api_workers=4" \
		"keyring_public=$RUN_DIR/keyring.public" "keyring_private=$RUN_DIR/keyring.private" \
		"courier_state=$RUN_DIR/courier.epoch" \
		"egress_connect_to=$SINK_NAME:443:127.0.0.1:$SINK_PORT" "egress_ca_file=$TLS_DIR/egress.pem" "$@"; do
		key=${pair%%=*}
		if [[ ! -v value[$key] ]]; then
			order+=("$key")
			value[$key]=${pair#*=}
		elif [[ $key == egress_connect_to ]]; then
			value[$key]="${pair#*=} ${value[$key]}"
		else
			value[$key]=${pair#*=}
		fi
	done
	{
		say "# Written by dev/up, anew each time; other values: dev/up -o key=value"
		for key in "${order[@]}"; do
			say "$key = ${value[$key]}"
		done
	} >"$file"
}

# The API pool ---------------------------------------------------------------------------------------

api_is_up() {
	is_ours "$API_PID" "-c $CONF"
}

api_start() {
	if api_is_up && ! has_changed api "$CONF" "$API"; then
		return 0
	fi
	api_stop
	# shellcheck disable=SC2046 # words
	setsid env $(clock_vars programs) "$API" -c "$CONF" </dev/null >>"$LOG_DIR/api.log" 2>&1 &
	echo $! >"$API_PID"
	disown
	if ! wait_until 10 api_answers; then
		tail -n 5 "$LOG_DIR/api.log" >&2
		api_stop
		die "the API pool did not start; its log is $LOG_DIR/api.log"
	fi
	remember api "$CONF" "$API"
}

# Is it listening?  Stops waiting at once where it has ended.
api_answers() {
	api_is_up || return 1
	[[ -S $(api_socket) ]]
}

api_stop() {
	end_process "$API_PID" "-c $CONF" TERM 20
}

# The courier ----------------------------------------------------------------------------------------

courier_is_up() {
	is_ours "$COURIER_PID" "sigsentry-courier -c $CONF"
}

courier_start() {
	if courier_is_up && ! has_changed courier "$CONF" "$COURIER"; then
		return 0
	fi
	courier_stop
	# shellcheck disable=SC2046 # words
	setsid env $(clock_vars programs) "$COURIER" -c "$CONF" </dev/null >>"$LOG_DIR/courier.log" 2>&1 &
	echo $! >"$COURIER_PID"
	disown
	wait_until 5 courier_is_up || die "the courier did not start; its log is $LOG_DIR/courier.log"
	remember courier "$CONF" "$COURIER"
}

courier_stop() {
	# longer than drain_s and its last words, where those settings are not longer than their defaults: with more, it is killed
	end_process "$COURIER_PID" "sigsentry-courier -c $CONF" TERM 30
}

# nginx ----------------------------------------------------------------------------------------------

# Four ports of the loopback: plain HTTP, TLS, TLS behind the PROXY protocol, and the sink.  Chosen once, and again
# only where somebody else has taken one while nginx was down.
choose_ports() {
	local port
	local -a ports=()

	if [[ -s $RUN_DIR/ports ]]; then
		read -ra ports <"$RUN_DIR/ports"
		for port in "${ports[@]}"; do
			nginx_is_up || ! is_taken "$port" || ports=()
		done
	fi
	while ((${#ports[@]} < 4)); do
		# below what the kernel gives to outgoing connections
		port=$((20000 + RANDOM % 12000))
		[[ " ${ports[*]} " == *" $port "* ]] || is_taken $port || ports+=("$port")
	done
	printf '%s\n' "${ports[*]}" >"$RUN_DIR/ports"
	HTTP_PORT=${ports[0]} TLS_PORT=${ports[1]} PROXY_PORT=${ports[2]} SINK_PORT=${ports[3]}
}

is_taken() {
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The shipped files of nginx/ with this stack's paths and ports: what is tested is what is shipped.
nginx_configure() {
	local file

	mkdir -p "$NGINX_DIR/snippets" "$NGINX_DIR/tmp" "$SINK_DIR"
	for file in nginx/sigsentry-*.conf; do
		case $file in
		*-site.conf) nginx_adapt "$file" >"$NGINX_DIR/${file##*/}" ;;
		*) nginx_adapt "$file" >"$NGINX_DIR/snippets/${file##*/}" ;;
		esac
	done
	if grep -nE '^[^#]*(/etc/letsencrypt|/run/sigsentry/|/var/log/nginx|/usr/share/sigsentry/openapi|api\.example\.com|listen +(\[|[0-9]+[ ;]))' \
		"$NGINX_DIR"/sigsentry-*.conf "$NGINX_DIR"/snippets/*.conf >&2; then
		die "nginx_adapt in dev/lib.sh does not know these lines of nginx/"
	fi
	sink_file >"$NGINX_DIR/sink.conf"
	nginx_main_file >"$NGINX_DIR/nginx.conf"
}

nginx_adapt() {
	sed -E \
		-e "s|/var/log/nginx/|$LOG_DIR/|" \
		-e "s|/run/sigsentry/api\.sock|$(api_socket)|" \
		-e "s|/usr/share/sigsentry/openapi\.json|$ROOT/doc/openapi.json|" \
		-e "s|/etc/letsencrypt/live/api\.example\.com/fullchain\.pem|$TLS_DIR/server.pem|" \
		-e "s|/etc/letsencrypt/live/api\.example\.com/privkey\.pem|$TLS_DIR/server.key|" \
		-e "s/server_name api\.example\.com;/server_name localhost api.sigsentry.test;/" \
		-e "/^ *listen +\[::\]/d" \
		-e "s/^( *)listen +80( default_server)?;/\1listen 127.0.0.1:$HTTP_PORT\2;/" \
		-e "s/^( *)listen +443 ssl http2( default_server)?;/\1listen 127.0.0.1:$TLS_PORT ssl http2\2;\n\1listen 127.0.0.1:$PROXY_PORT ssl http2 proxy_protocol\2;/" \
		-e "s|https://\\\$host\\\$request_uri|https://\$host:$TLS_PORT\$request_uri|" \
		"$1"
}

nginx_main_file() {
	if is_root; then
		say "user root;"
	fi
	cat <<-END
		env GLIBC_TUNABLES;
		worker_processes 2;
		worker_shutdown_timeout 5s;
		pid $NGINX_PID;
		error_log $LOG_DIR/nginx.log warn;
		events {
		    worker_connections 1024;
		}
		http {
		    client_body_temp_path $NGINX_DIR/tmp/body;
		    fastcgi_temp_path     $NGINX_DIR/tmp/fastcgi;
		    proxy_temp_path       $NGINX_DIR/tmp/proxy;
		    scgi_temp_path        $NGINX_DIR/tmp/scgi;
		    uwsgi_temp_path       $NGINX_DIR/tmp/uwsgi;

		    # So that a test can come from any address, through the port that speaks the PROXY protocol.
		    set_real_ip_from 127.0.0.1;
		    real_ip_header   proxy_protocol;

		    include sigsentry-site.conf;
		    include sink.conf;
		}
	END
}

# The demo's receiver: keeps each body in a file of its own, and of the fields what dev/sink shows.  Not the path, and
# not Authorization: those are a channel's secrets.  A body is read only where it goes on somewhere.
sink_file() {
	cat <<-END
		log_format sink '\$time_iso8601\t\$http_x_sigsentry_event\t\$http_webhook_id\t\$http_webhook_timestamp\t'
		                '\$http_webhook_signature\t\$request_body_file';
		server {
		    listen      127.0.0.1:$SINK_PORT ssl http2;
		    server_name $SINK_NAME;

		    ssl_certificate     $TLS_DIR/server.pem;
		    ssl_certificate_key $TLS_DIR/server.key;

		    access_log                 $SINK_DIR/log sink;
		    client_max_body_size       1m;
		    client_body_temp_path      $SINK_DIR/body;
		    client_body_in_file_only   on;

		    location / {
		        rewrite                 ^ /.ok break;
		        proxy_pass              https://127.0.0.1:$SINK_PORT;
		        proxy_pass_request_body off;
		        proxy_set_header        Content-Length "";
		        proxy_set_header        Host $SINK_NAME;
		    }
		    location = /.ok {
		        access_log off;
		        return 200 ok;
		    }
		}
	END
}

# is_signed SECRET FILE ID TIMESTAMP SIGNATURES: is one of them the secret's, over "id.timestamp.body"?
is_signed() {
	local mac

	mac=$({ printf '%s.%s.' "$3" "$4" && cat "$2"; } | openssl dgst -sha256 -hmac "$1" -binary | base64)
	[[ " $5 " == *" v1,$mac "* ]]
}

# With the environment and the limit that nginx/ ships for systemd.
nginx_run() (
	ulimit -c 0
	exec env "$(sed -n 's/^Environment=//p' nginx/sigsentry-nginx.service.conf)" \
		nginx -p "$NGINX_DIR/" -c "$NGINX_DIR/nginx.conf" -e "$LOG_DIR/nginx.log" "$@"
)

nginx_is_up() {
	is_ours "$NGINX_PID" "$NGINX_DIR/"
}

nginx_start() {
	local -a files

	nginx_configure
	files=("$NGINX_DIR"/*.conf "$NGINX_DIR"/snippets/*.conf)
	if ! nginx_is_up; then
		nginx_run </dev/null >>"$LOG_DIR/nginx.log" 2>&1 || die "nginx did not start: $(tail -n 3 "$LOG_DIR/nginx.log")"
	elif has_changed nginx "${files[@]}"; then
		nginx_run -t >>"$LOG_DIR/nginx.log" 2>&1 || die "nginx refuses its files: $(tail -n 3 "$LOG_DIR/nginx.log")"
		nginx_stop
		nginx_run </dev/null >>"$LOG_DIR/nginx.log" 2>&1 || die "nginx did not start: $(tail -n 3 "$LOG_DIR/nginx.log")"
	fi
	wait_until 5 nginx_is_up || die "nginx did not start; its log is $LOG_DIR/nginx.log"
	remember nginx "${files[@]}"
}

nginx_stop() {
	end_process "$NGINX_PID" "$NGINX_DIR/" QUIT 10
}

# A worker refuses who bears no key; nginx alone would answer 502.
service_answers() {
	local status

	status=$(curl -s --cacert "$TLS_DIR/ca.pem" -o /dev/null -w '%{http_code}' -X POST \
		"https://localhost:$TLS_PORT/v1/config/notifications" || true)
	[[ $status == 401 ]]
}

# The demo tenant ------------------------------------------------------------------------------------

ctl() {
	"$CTL" -c "$CONF" "$@"
}

# field NAME: that field of the JSON object on standard input.
field() {
	sed -nE "s/.*\"$1\": *\"([^\"]+)\".*/\1/p" | head -n 1
}

# A tenant with a project and a key of each kind, made once; run/demo holds them as lines of run/env.
make_demo() {
	local tenant project all="--permission analysis:create --permission analysis:read --permission config:read --permission config:write"

	if [[ -s $RUN_DIR/demo ]]; then
		tenant=$(sed -n 's/^SIGSENTRY_TENANT_ID=//p' "$RUN_DIR/demo")
		if ctl --json tenant list | grep -qF -- "$tenant"; then
			return 0
		fi
	fi
	tenant=$(ctl --json tenant create --name Demo --plan business | field id)
	project=$(ctl --json project create --tenant "$tenant" --name Demo --slug demo | field id)
	(
		umask 077
		# shellcheck disable=SC2086 # several options in one variable
		cat >"$RUN_DIR/demo.new" <<-END
			SIGSENTRY_TENANT_ID=$tenant
			SIGSENTRY_PROJECT_ID=$project
			SIGSENTRY_SECRET_KEY=$(ctl --json apikey create --project "$project" --kind secret $all --name demo | field key)
			SIGSENTRY_ORG_KEY=$(ctl --json apikey create --tenant "$tenant" --kind org $all --name demo | field key)
			SIGSENTRY_PUB_KEY=$(ctl --json apikey create --project "$project" --kind pub --permission analysis:create --permission analysis:read --name demo | field key)
		END
	)
	if grep -q '=$' "$RUN_DIR/demo.new"; then
		die "the demo tenant could not be made; see $RUN_DIR/demo.new"
	fi
	mv "$RUN_DIR/demo.new" "$RUN_DIR/demo"
}

# What the demo's webhook channel signs with, made once.
sink_secret() {
	if [[ ! -s $SINK_DIR/secret ]]; then
		(umask 077 && openssl rand -hex 24 >"$SINK_DIR/secret")
	fi
	cat "$SINK_DIR/secret"
}

# run/env: what tests and people need to know, for the shell to read.
write_env() {
	local line

	(
		umask 077
		{
			for line in \
				"SIGSENTRY_URL=https://localhost:$TLS_PORT" \
				"SIGSENTRY_CACERT=$TLS_DIR/ca.pem" \
				"SIGSENTRY_CTL=$CTL -c $CONF" \
				"SIGSENTRY_DSN=host=$PG_DIR dbname=sigsentry user=sigsentry_owner" \
				"SIGSENTRY_LOG=$LOG_DIR" \
				"SIGSENTRY_API_PIDS=$API_PID" \
				"SIGSENTRY_COURIER_PIDS=$COURIER_PID" \
				"SIGSENTRY_HTTP_PORT=$HTTP_PORT" \
				"SIGSENTRY_PROXY_PORT=$PROXY_PORT" \
				"SIGSENTRY_NGINX_PID=$NGINX_PID" \
				"SIGSENTRY_SOCKET=$(api_socket)" \
				"SIGSENTRY_CONF=$CONF" \
				"SIGSENTRY_PG=$PG_DIR/data" \
				"SIGSENTRY_CLOCK=$(clock_vars programs)" \
				"SIGSENTRY_BUILD=$BUILD_DIR" \
				"SIGSENTRY_SINK_SECRET=$(sink_secret)"; do
				printf "%s='%s'\n" "${line%%=*}" "${line#*=}"
			done
			sed "s/=\(.*\)/='\1'/" "$RUN_DIR/demo"
		} >"$RUN_DIR/env.new"
	)
	mv "$RUN_DIR/env.new" "$RUN_DIR/env"
}

# Steps ----------------------------------------------------------------------------------------------

# What scripts that run many things share: a line for each, a table at the end, and the suites in Python on a stack of
# their own.
LOGS=$ROOT/run/log
TABLE=$LOGS/${0##*/}.table # what steps came to, in the order of their ends
LANES=()                   # process groups of steps that run beside each other
export PYTHONDONTWRITEBYTECODE=1

# Before the first step.
steps_begin() {
	mkdir -p "$LOGS"
	: >"$TABLE"
}

# step_ended NAME SECONDS RESULT: a line of the table.
step_ended() {
	printf '%-10s %5d s  %s\n' "$@" | tee -a "$TABLE"
}

# What py_tests writes into a step's log before it tries once more.
AGAIN='== once more, what failed =='

# step NAME COMMAND...: run it, keep its output, write down how it went.  False where it failed.
step() {
	local name=$1 began=$SECONDS log=$LOGS/${0##*/}-$1.log result=ok

	shift
	[[ ! -t 1 ]] || printf '%-10s …\n' "$name"
	if "$@" >"$log" 2>&1 </dev/null; then
		! grep -qxF "$AGAIN" "$log" || result='ok, 2nd try'
		step_ended "$name" $((SECONDS - began)) "$result"
		return
	fi
	step_ended "$name" $((SECONDS - began)) FAILED
	tail -n 60 "$log" | sed 's/^/    /'
	return 1
}

# side_by_side FUNCTION...: each of them runs steps, one after the other.  Returns when all are through.
side_by_side() {
	local began=$SECONDS i

	set -m # each in a process group of its own, that can be ended as a whole
	for i; do
		"$i" &
		LANES+=($!)
	done
	set +m
	for i in "${!LANES[@]}"; do
		# one that was killed leaves no line behind
		wait "${LANES[i]}" || step_ended "${*:i+1:1}" $((SECONDS - began)) FAILED
	done
	LANES=()
}

# For a trap: what still runs beside.
end_lanes() {
	local lane

	for lane in "${LANES[@]}"; do
		kill -- "-$lane" 2>/dev/null || true
	done
}

# The table; false where a step failed.
summary() {
	local passed failed

	passed=$(grep -cE ' ok(, 2nd try)?$' "$TABLE") || true
	failed=$(grep -c ' FAILED$' "$TABLE") || true
	printf '\n%s\n%d passed, %d failed (%d s)\n' "$(<"$TABLE")" "$passed" "$failed" "$SECONDS"
	[[ $failed -eq 0 ]]
}

# py_tests FOLDER SUITE [OPTION]...: what fails is tried once more, by itself, and the log shows both: on a shared machine a receiver or
# a courier may get no processor for the second in which a test waits for it.  A fault fails twice, or is
# one that must not come even once: then a suite leaves a file that its step looks for.  The modules are those of Debian's Python.
py_tests() {
	local run=(/usr/bin/python3 -m pytest -q -rfEs -o cache_dir="$1/cache-$(basename "$2")" "${@:2}")

	rm -rf "$1/cache-$(basename "$2")"
	"${run[@]}" || { echo "$AGAIN" && "${run[@]}" --lf --lfnf=none; }
}

# stack_up FOLDER FLAGS [BUILD]: with an empty database and new keys; only the build is kept.
stack_up() {
	rm -rf "$1/pg" "$1/log" "$1"/keyring.*
	RUN_DIR=$1 BUILD_DIR=${3:-$1/build} CONFIGURE_FLAGS=$2 dev/up
}

# stack_tests FOLDER SUITE [OPTION]...  The keys in run/env stay out of the environment, where the canary test looks for them.
stack_tests() {
	local dsn

	# shellcheck source=/dev/null
	dsn=$(. "$1/env" && echo "$SIGSENTRY_DSN")
	SIGSENTRY_ENV=$1/env SIGSENTRY_DSN=$dsn RUN_DIR=$1 py_tests "$@"
}
