#!/bin/bash
# See to what the build, the demo and the tests need, then build and install.
#
#   test/setup.sh NEED...      base  a server, its headers, a compiler, zstd, libcurl
#                              pgtap tap tutorials valgrind fuzz  what those suites need
#                              tools  a compiler and zstd only: no server, no build
#
# On Debian and Ubuntu missing packages are installed; elsewhere they are named.
set -eu
cd "$(dirname "$0")/.."
. test/common.sh

# The version of the packages to ask for: that of pg_config, else that of the
# newest server here, else the distribution's own.
server_version() {
	local version
	version=$(find_pg_config && "$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/') || true
	[ -n "$version" ] || version=$(ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -n 1)
	[ -n "$version" ] || version=$(apt-cache depends postgresql 2>/dev/null |
		sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
	echo "${version:-NN}"
}

compiles() {
	echo "$1" | "${CC:-cc}" -fsyntax-only -x c - 2>/dev/null
}

has_module() {
	perl -e "use $1; 1" 2>/dev/null
}

# Each line says what is missing and the packages that have it.
missing() {
	local need version
	version=$(server_version)
	for need in "$@"; do
		case $need in
			tools | base)
				command -v "${CC:-cc}" >/dev/null || echo "a C compiler: gcc libc6-dev"
				command -v make >/dev/null || echo "make: make"
				compiles '#include <zstd.h>' || echo "zstd.h: libzstd-dev"
				;;&
			base)
				compiles '#include <curl/curl.h>' || echo "curl/curl.h: libcurl4-openssl-dev"
				compiles '#include <zlib.h>' || echo "zlib.h: zlib1g-dev"
				if ! find_pg_config; then
					echo "a PostgreSQL server to build for: postgresql-$version postgresql-server-dev-$version"
				elif ! [ -x "$("$PG_CONFIG" --bindir)/initdb" ]; then
					echo "the programs of the PostgreSQL $version server: postgresql-$version"
				fi
				;;
			tutorials)
				command -v python3 >/dev/null || echo "python3: python3"
				;;&
			pgtap | tutorials)
				has_module TAP::Parser::SourceHandler::pgTAP && command -v pg_prove >/dev/null ||
					echo "pg_prove: libtap-parser-sourcehandler-pgtap-perl"
				find_pg_config && [ -f "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ] ||
					echo "pgTAP: postgresql-$version-pgtap"
				;;
			tap)
				command -v prove >/dev/null || echo "prove: perl"
				has_module IPC::Run || echo "IPC::Run for Perl: libipc-run-perl"
				command -v python3 >/dev/null || echo "python3: python3"
				command -v openssl >/dev/null || echo "openssl: openssl"
				;;
			valgrind)
				command -v valgrind >/dev/null || echo "valgrind: valgrind"
				;;
			fuzz)
				command -v clang >/dev/null || echo "clang with libFuzzer: clang"
				;;
		esac
	done | sort -u
}

# A server package makes and starts a cluster of its own when it is installed.
# Nobody asked for one: say no to that for as long as we install.
install_packages() (
	no_cluster=/etc/postgresql-common/createcluster.d/pgforest-no-cluster.conf
	trap 'as_root rm -f $no_cluster' EXIT
	as_root mkdir -p "$(dirname $no_cluster)"
	echo 'create_main_cluster = false' | as_root tee $no_cluster >/dev/null
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
)

# The output of a command, if it fails.
quietly() {
	local output
	output=$("$@" 2>&1 </dev/null) || { echo "$output"; echo "failed: $*"; return 1; } >&2
}

if [ "$PG_CONFIG" != pg_config ] && ! find_pg_config; then
	echo "nothing can be built with PG_CONFIG=$PG_CONFIG: it or its server's development files are missing" >&2
	exit 1
fi

lacking=$(missing "$@")
if [ -n "$lacking" ] && command -v apt-get >/dev/null; then
	heading "Installing what is missing"
	quietly as_root apt-get update || true	# what is known already may do
	lacking=$(missing "$@")		# now the distribution's version is known
	echo "$lacking"
	install_packages $(echo "$lacking" | sed 's/.*: //')
	hash -r
	lacking=$(missing "$@")
fi
if [ -n "$lacking" ]; then
	printf 'Missing on this system (after the colon, the names of the packages on Debian):\n%s\n' "$lacking" >&2
	exit 1
fi

case " $* " in *" base "*) ;; *) exit 0 ;; esac

find_pg_config
version=$(server_version)
if [ "$version" -lt 15 ]; then
	cat >&2 <<-EOF
		PostgreSQL $version is too old: pgforest needs 15 or later.
		PostgreSQL's own package repository has newer ones for Debian and Ubuntu:
		  sudo apt-get install -y postgresql-common
		  sudo /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh
		  sudo apt-get install -y postgresql-17 postgresql-server-dev-17
		Then run this again.
	EOF
	exit 1
fi

heading "Building for $("$PG_CONFIG" --version)"
# Our caller may be make itself: its flags and job server are not for this one.
# (What was set on its command line is in the environment as well.)
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -j"$(processors)" all
target=$("$PG_CONFIG" --pkglibdir)
if [ -w "$target" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ]; then
	make -s install
else
	# Root only copies: it has no business in making things in this checkout.
	stage=$(mktemp -d)
	trap 'rm -rf "$stage"' EXIT
	make -s install DESTDIR="$stage"
	as_root sh -c 'umask 022 && cp -R "$1"/. /' sh "$stage"
fi
echo "installed in $target"
