# What the checks of the packages share; sourced by them with RELEASE set.  Their words go to run/log/package-NAME.log.
# shellcheck disable=SC2016,SC2034 # for the machine's shell; used by who sources this
# shellcheck source=dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../dev/lib.sh"

# packages_of RELEASE: where dev/package has put them.
packages_of() {
	# shellcheck source=/dev/null
	if [[ $1 == "$(. /etc/os-release && echo "$VERSION_CODENAME")" ]]; then
		echo "$RUN_DIR/package"
	else
		echo "$RUN_DIR/package-$1"
	fi
}

NAME=$(basename "$0")-$RELEASE
DEBS=$(packages_of "$RELEASE")
BASE=$RUN_DIR/package-base-$RELEASE
WORK=$RUN_DIR/package-machine
MACHINE=tests/package/machine
INSIDE=$WORK/root
LOG_DIR=$RUN_DIR/log
TLS_DIR=$RUN_DIR/package-tls
LOG=$LOG_DIR/package-$NAME.log
URL=https://localhost
SECRET=0123456789abcdef0123456789abcdef

# inside COMMAND...: on the machine, its words go to the log and to the caller.
inside() {
	# shellcheck disable=SC2094 # both append
	"$MACHINE" in "$WORK" "$@" 2>>"$LOG" | tee -a "$LOG"
}

# Prints what is done; all of what it says is in the log.
step() {
	printf '%6d s  %s\n' $SECONDS "$*"
	printf '\n=== %s\n' "$*" >>"$LOG"
}

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	"$MACHINE" in "$WORK" journalctl -b --no-pager -u 'sigsentry*' -u 'nginx*' -u 'postgresql*' >>"$LOG" 2>&1 || true
	tail -n 40 "$LOG" | sed 's/^/    /' >&2
	exit 1
}

# expect WHAT COMMAND...: it must succeed.
expect() {
	local what=$1

	shift
	inside "$@" >/dev/null || fail "$what"
}

# refuse WHAT COMMAND...: it must not.
refuse() {
	local what=$1

	shift
	! inside "$@" >/dev/null || fail "$what"
}

# Reads all, so that who writes is not cut off.
has_line() {
	grep -E -- "$1" >/dev/null
}

# The machine ----------------------------------------------------------------------------------------

# What the packages and the checks need; downloaded once for a release, and again where that list has changed.
base_is_there() {
	local wanted

	wanted="postgresql nginx apache2 autopkgtest dpkg-dev $(for file in "$DEBS"/sigsentry*_*.deb; do
		dpkg-deb -f "$file" Depends
	done | tr , '\n' | sed -E 's/^ *//; s/[ (|].*//' | grep -v '^sigsentry' | sort -u | tr '\n' ' ')"
	[[ ! -e $BASE/made || $(<"$BASE/made") != "$wanted" ]] || return 0
	rm -rf "$BASE"
	mkdir -p "$BASE"
	# shellcheck disable=SC2086 # a list
	"$MACHINE" base "$BASE/root" "$RELEASE" $wanted >>"$LOG" 2>&1 || die "no base could be made; see $LOG"
	echo "$wanted" >"$BASE/made"
}

# A machine of the release, with its packages in /root/packages.
bring_up() {
	mkdir -p "$LOG_DIR"
	: >"$LOG"
	trap take_down EXIT
	trap 'printf "FAILED: line %s of %s; see %s\n" "$LINENO" "${BASH_SOURCE[0]}" "$LOG" >&2' ERR
	take_down
	make_certificates
	step "a Debian ($RELEASE) with systemd"
	base_is_there
	"$MACHINE" up "$BASE/root" "$WORK"
	mkdir "$INSIDE/root/packages" "$INSIDE/etc/ssl/test"
	cp "$DEBS"/sigsentry{,-common,-api,-courier,-ctl}_*.deb "$INSIDE/root/packages/"
	cp tests/package/load "$INSIDE/root/"
	cp "$TLS_DIR"/{ca.pem,server.pem,server.key} "$INSIDE/etc/ssl/test/"
}

take_down() {
	[[ ! -e $WORK/pid ]] || "$MACHINE" down "$WORK" >>"$LOG" 2>&1
}

# install_packages NAME...: those that were built, with what they depend on and recommend.
install_packages() {
	local name
	local -a files=()

	for name in "$@"; do
		files+=("$(cd "$INSIDE" && echo root/packages/"${name}"_*.deb)")
	done
	expect "apt could not install: $*" apt-get -q -y -o APT::Install-Recommends=true install "${files[@]/#//}" </dev/null
}

# What is asked ---------------------------------------------------------------------------------------

# request METHOD PATH [BODY]: as a client would, through nginx; prints the answer, and its status as the last line.
request() {
	local -a more=()

	[[ $# -lt 3 ]] || more=(-H "Content-Type: application/json" -d "$3")
	inside curl -sS --cacert /etc/ssl/test/ca.pem -X "$1" "$URL$2" -H "Authorization: Bearer $KEY" -w '\n%{http_code}\n' "${more[@]}"
}

# status METHOD PATH WANTED [BODY]
status() {
	local answer wanted=$3

	set -- "$1" "$2" "${@:4}"
	answer=$(request "$@")
	[[ $(tail -n 1 <<<"$answer") == "$wanted" ]] || fail "$1 $2 answered, instead of $wanted: $answer"
	printf '%s\n' "$answer"
}

publish() {
	status POST /v1/events 202 '{"event":"package.check","severity":"critical","summary":"It works"}' | field id
}

# arrived EVENT: is it in the sink, and signed?
arrived() {
	local at event id timestamp signatures file body

	file=$(grep -rlF -m 1 -- "$1" "$INSIDE/var/lib/sink/body" | head -n 1)
	[[ -n $file ]] || return 1
	# Its line is written a moment after its body.
	IFS=$'\t' read -r at event id timestamp signatures body < <(grep -F -- "${file#"$INSIDE"}" "$INSIDE/var/lib/sink/log") || return 1
	is_signed "$SECRET" "$file" "$id" "$timestamp" "$signatures" || fail "event $1 arrived at $at with a wrong signature ($event, $body)"
}

deliver() {
	local event

	event=$(publish)
	[[ -n $event ]] || fail "no event id"
	wait_until 20 arrived "$event" || fail "event $event has not reached the sink"
}

load_start() {
	inside rm -rf /run/load
	"$MACHINE" in "$WORK" /root/load "$URL" "$KEY" /run/load </dev/null >>"$LOG" 2>&1 &
	LOAD=$!
	wait_until 20 load_runs || fail "the load does not run"
}

load_runs() {
	[[ -s $INSIDE/run/load/4 ]] || inside test -s /run/load/4
}

# Every answer must have been a success, and there must have been some.
load_stop() {
	local answers

	inside touch /run/load/stop
	wait "$LOAD"
	answers=$(inside bash -c 'cat /run/load/[1-4] | sort | uniq -c')
	printf '%s\n' "$answers" | sed 's/^/            /'
	! grep -vE ' (list 200|event 202)$' <<<"$answers" || fail "under load not every request was served"
	has_line 'event 202$' <<<"$answers" || fail "there was no load"
}

# Nothing of the load's events is missing at the end.
queue_is_empty() {
	inside sigsentryctl --json status | has_line '"waiting":0,"sending":0,'
}

queue_is_held() {
	inside sigsentryctl --json queue status | has_line '"held":true'
}

active_key() {
	inside sigsentryctl --json keyring list | grep -oE '"id":"[0-9a-f]{16}","createdAt":"[^"]*","state":"active"' | cut -d '"' -f 4
}

units_run() {
	inside systemctl is-active sigsentry-api.socket sigsentry-api.service sigsentry-courier.service >/dev/null
}

# The example site, and a receiver on the loopback beside it that the courier takes for a public one.
make_site() {
	expect "nginx" bash -ec '
		sed -e "s/api\.example\.com/localhost/; s#/etc/letsencrypt/live/.*/fullchain.pem#/etc/ssl/test/server.pem#" \
			-e "s#/etc/letsencrypt/live/.*/privkey.pem#/etc/ssl/test/server.key#" \
			/usr/share/doc/sigsentry-api/examples/sigsentry-site.conf >/etc/nginx/sites-available/sigsentry.conf
		ln -s ../sites-available/sigsentry.conf /etc/nginx/sites-enabled/
		rm /etc/nginx/sites-enabled/default
		install -D -m 644 /usr/share/doc/sigsentry-api/examples/sigsentry-nginx.service.conf /etc/systemd/system/nginx.service.d/sigsentry.conf
		install -d -o www-data /var/lib/sink'
	SINK_PORT=8443 TLS_DIR=/etc/ssl/test SINK_DIR=/var/lib/sink sink_file >"$INSIDE/etc/nginx/sites-enabled/sink.conf"
	expect "nginx" bash -ec 'nginx -t && systemctl daemon-reload && systemctl restart nginx'
	egress_to_sink
	expect "reload" systemctl reload sigsentry-api sigsentry-courier
}

egress_to_sink() {
	printf '%s\n' "egress_connect_to = $SINK_NAME:443:127.0.0.1:8443" "egress_ca_file = /etc/ssl/test/ca.pem" >>"$INSIDE/etc/sigsentry/sigsentry.conf"
}

# A tenant and a project without limits; its key becomes KEY.
make_key() {
	local tenant project

	expect "a plan without limits" sigsentryctl plan set check --channels unlimited --reads-per-minute unlimited --writes-per-minute unlimited
	tenant=$(inside sigsentryctl --json tenant create --name Example --plan check | field id)
	project=$(inside sigsentryctl --json project create --tenant "$tenant" --name Shop --slug shop | field id)
	KEY=$("$MACHINE" in "$WORK" sigsentryctl --json apikey create --project "$project" --kind secret --permission analysis:create \
		--permission config:read --permission config:write --name check | field key)
	[[ -n $KEY ]] || fail "no key"
}

make_channel() {
	status POST /v1/config/notifications 201 '{"type":"webhook","name":"sink","severityThreshold":"low",
		"credentials":{"url":"https://sink.example.com/hook","hmacSecret":"'$SECRET'"}}' >/dev/null
}
