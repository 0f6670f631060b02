# Throw-away clusters.  Sourced from the top folder of a checkout, after common.sh.
#
# open_workspace   makes one temporary directory, $workspace, with a copy of
#                  what tests read in it, so that neither the checkout nor the
#                  user's own clusters are touched.
# start_server     makes a cluster there, listening on a socket in the workspace
#                  only, and points the libpq environment (PGHOST, ...) to it;
#                  its arguments are more lines of its configuration.
# run COMMAND      runs a command in the copy as the user the server runs as: a
#                  server does not run as root.
# stop_server      stops the server and removes its cluster.
#
# However the script ends, by exit, signal or kill -9, the keeper (keeper.sh)
# then stops what still runs in the workspace and removes it.

server=				# process number of the one that runs
server_user=		# whom to become; empty: stay who we are
as_server_user=()

choose_server_user() {
	local user
	[ "$(id -u)" = 0 ] || return 0
	for user in postgres nobody; do
		if id "$user" >/dev/null 2>&1; then
			server_user=$user
			if command -v setpriv >/dev/null; then
				as_server_user=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups)
			else
				as_server_user=(su -m "$user" -s /bin/sh -c 'exec "$0" "$@"')
			fi
			return 0
		fi
	done
	echo "running as root, and there is no user postgres or nobody to run a server as" >&2
	exit 1
}

open_workspace() {
	local parent
	choose_server_user
	# A socket's path must fit 107 bytes, and the server's user must reach it.
	for parent in "${TMPDIR:-/tmp}" /tmp; do
		[ ${#parent} -le 60 ] && "${as_server_user[@]}" test -x "$parent" && break
	done
	workspace=$(mktemp -d "$parent/pgforest.XXXXXX")

	# The keeper reads from us, and gets an end of file when we are gone.
	exec 9> >(exec setsid bash test/keeper.sh "$workspace")
	trap close_workspace EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	mkdir "$workspace/source" "$workspace/log"
	cp -R $(ls -d sql expected test demo docker docs 2>/dev/null) "$workspace/source/"
	mkdir -p "$workspace/source/src"
	cp -R src/engine "$workspace/source/src/"
	if [ -n "$server_user" ]; then
		chown -R "$server_user" "$workspace"
	fi
	export HOME=$workspace LC_ALL=C PGUSER=postgres PGDATABASE=postgres PGCLIENTENCODING=UTF8
	unset LANGUAGE PGHOST PGHOSTADDR PGPORT PGSERVICE PGPASSWORD PGPASSFILE PGOPTIONS PGSSLMODE PSQLRC
}

close_workspace() {
	local status=$?
	trap '' HUP INT TERM
	exec 9>&-
	wait				# for the keeper, and for what it has ended
	exit $status
}

# Start a command behind us, as the server's user, in a process group of its own.
behind() {
	(cd "$workspace/source" && exec setsid "${as_server_user[@]}" "$@") </dev/null 9>&- &
}

# Run a command to its end; if ours comes first, the keeper ends it.  Behind us, because a shell heeds a signal at once
# while it waits for such a command, and only afterwards for any other.
run() {
	local status=0
	behind "$@"
	echo $! >"$workspace/running"
	wait $! || status=$?
	rm -f "$workspace/running"
	return $status
}

start_server() {
	local data=$workspace/data bindir
	bindir=$("$PG_CONFIG" --bindir)
	run "$bindir/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --no-locale --no-sync \
		>"$workspace/log/initdb" 2>&1 || { cat "$workspace/log/initdb" >&2; return 1; }
	cat >>"$data/postgresql.conf" <<-EOF
		listen_addresses = ''
		unix_socket_directories = '$workspace'
		fsync = off
		max_prepared_transactions = 10
		max_worker_processes = 16
		timezone = 'UTC'
	EOF
	[ $# = 0 ] || printf '%s\n' "$@" >>"$data/postgresql.conf"
	behind "$bindir/postgres" -D "$data" >"$workspace/log/server" 2>&1
	server=$!
	until grep -qs '^ready' "$data/postmaster.pid"; do
		if ! kill -0 "$server" 2>/dev/null; then
			tail -n 20 "$workspace/log/server" >&2
			server=
			return 1
		fi
		sleep 0.1
	done
	export PGHOST=$workspace PGPORT=5432 PATH=$bindir:$PATH
}

stop_server() {
	[ -n "$server" ] || return 0
	kill -QUIT "$server"
	wait "$server" || true
	server=
	rm -rf "$workspace/data"
}
