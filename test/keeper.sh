# keeper.sh WORKSPACE - clean up after the script that opened the workspace, once
# it is gone: our standard input ends with it.

trap '' HUP INT TERM
workspace=$1
cat >/dev/null

# What was running at that moment: its whole process group.
if group=$(cat "$workspace/running" 2>/dev/null); then
	kill -TERM -- "-$group" 2>/dev/null
	sleep 0.2
fi
# Servers, including those that tests started for themselves, and the one of HTTP.  A crashed one may
# have left its file behind, and its number may be another process's by now.
is_ours() {
	{ tr '\0' ' ' <"/proc/$1/cmdline" || ps -o args= -p "$1"; } 2>/dev/null | grep -qF "$workspace"
}
find "$workspace" \( -name postmaster.pid -o -name http.pid \) 2>/dev/null | while read -r file; do
	server=$(head -n 1 "$file")
	is_ours "$server" && kill -QUIT "$server"
	for _ in $(seq 100); do
		is_ours "$server" || break
		sleep 0.1
	done
done
[ -z "$group" ] || kill -KILL -- "-$group" 2>/dev/null
rm -rf "$workspace"
