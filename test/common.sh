# What the scripts of the project share.  Sourced from the top folder of a checkout.

heading() {
	printf '\n== %s ==\n\n' "$*"
}

processors() {
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

# Run a command as root, through sudo unless we are root.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "this needs root and there is no sudo: $*" >&2
		return 1
	fi
}

# Set PG_CONFIG to one that can build: the one asked for and no other, else the
# one in the path, else that of the newest server on this machine.
find_pg_config() {
	local candidate candidates=$PG_CONFIG
	if [ "$candidates" = pg_config ]; then
		candidates+=" $(ls -d /usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config 2>/dev/null | sort -rV || true)"
	fi
	for candidate in $candidates; do
		if [ -f "$("$candidate" --pgxs 2>/dev/null)" ]; then
			PG_CONFIG=$candidate
			return 0
		fi
	done
	return 1
}

export PG_CONFIG=${PG_CONFIG:-pg_config}
