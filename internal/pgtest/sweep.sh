# sweep.sh PG_CTL DIRECTORY stops the server in DIRECTORY and removes it, once the standard input ends. The process that
# started the server holds the other end, so that happens however that process ends.
trap '' HUP INT QUIT TERM
read -r _
"$1" stop --silent --mode=immediate --timeout=30 --pgdata="$2/data"
cd /
rm -rf "$2"
