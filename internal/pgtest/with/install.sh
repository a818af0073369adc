# Installs Debian's Postgres server, as root, without the server that the package would set up and start.
set -e
export DEBIAN_FRONTEND=noninteractive
none=/etc/postgresql-common/createcluster.d/tidemark.conf
mkdir -p "$(dirname "$none")"
trap 'rm -f "$none"' EXIT
echo 'create_main_cluster = false' >"$none"
apt-get update -q || echo 'apt-get update failed; trying with the lists that are there' >&2
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 postgresql
