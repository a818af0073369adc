# sweep.sh PG_CTL DIRECTORY stops the server in DIRECTORY and removes it, once the standard input ends. The process that
# started the server holds the other end, so that happens however that process ends.
trap '' HUP INT QUIT TERM
read -r _
"$1" stop --silent --mode=immediate --timeout=30 --pgdata="$2/data"
# A server that was killed has left this file, and in the kernel the segment that its seventh line names.
left=$2/data/postmaster.pid
[ ! -f "$left" ] || ipcrm -m "$(sed -n '7s/.* //p' "$left")"
cd /
rm -rf "$2"
