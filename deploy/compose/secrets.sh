#!/bin/sh
# Makes what compose.yaml mounts as secrets, in deploy/compose/secrets: random passwords, once, and Redis' list of
# users from them and from the rules in deploy/redis/acl and deploy/compose/redis/acl, each time.
#
#   deploy/compose/secrets.sh [FOLDER]
#
# The files are readable for all, because Compose mounts them as they are and each container has another user; the
# folder is not, so that on this machine only its owner gets at them.
set -eu
cd "$(dirname "$0")/../.."
folder=${1:-deploy/compose/secrets}

umask 077
mkdir -p "$folder" "$folder/alertmanager"
chmod 0755 "$folder/alertmanager"

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

# put FILE: standard input, written whole or not at all. In place, for a file that a container has mounted goes on
# being the one that it has mounted.
put() {
    cat > "$folder/.new"
    if ! cmp -s "$folder/.new" "$folder/$1"; then
        cat "$folder/.new" > "$folder/$1"
        chmod 0644 "$folder/$1"
    fi
    rm -f "$folder/.new"
}

for name in redis_vote_ingest redis_vote_results redis_votectl redis_exporter redis_replica redis_cluster_setup redis_admin \
    production_token broadcast_token grafana_admin; do
    if [ ! -s "$folder/$name" ]; then
        random | put "$name"
    fi
done

# With that durability ingest asks Redis whether it means it (deploy/redis/README.md).
durability=${VOTE_DURABILITY:-$(sed -n 's/^VOTE_DURABILITY=//p' .env 2>/dev/null | tail -n 1)}
ingest_rights=
case $durability in
    fsync) ingest_rights=+config\|get ;;
esac

# user NAME RULES [MORE]: its line, with the digest of its password, or without one where it has none.
user() {
    rules="$(cat "$2")${3:+ $3}"
    if [ -n "$1" ]; then
        rules="$rules #$(sha256 < "$folder/$1")"
    fi
    printf '%s\n' "$rules"
}

{
    # Nobody can log in as it; but Redis reads its append-only file back with its rights, and without them leaves out
    # every transaction, which is every vote.
    echo 'user default off resetpass allkeys allchannels +@all'
    user redis_vote_ingest deploy/redis/acl/vote-ingest.acl "$ingest_rights"
    user redis_vote_results deploy/redis/acl/vote-results.acl
    user redis_votectl deploy/redis/acl/votectl.acl
    user redis_exporter deploy/compose/redis/acl/exporter.acl
    user redis_replica deploy/compose/redis/acl/replica.acl
    user redis_cluster_setup deploy/compose/redis/acl/cluster-setup.acl
    # Of no service: deploy/compose/redis-cli.sh is who.
    user redis_admin deploy/compose/redis/acl/admin.acl
    user '' deploy/compose/redis/acl/probe.acl
} | put redis_users

# How a replica of the cluster introduces itself to its master.
printf 'masteruser replica\nmasterauth %s\n' "$(cat "$folder/redis_replica")" | put redis_replication

# The exporter looks its password up by address, without the user in it or, in later versions, with.
{
    separator='{'
    for host in redis redis-1 redis-2 redis-3 redis-4 redis-5 redis-6; do
        for address in "$host" "exporter@$host"; do
            printf '%s\n  "redis://%s:6379": "%s"' "$separator" "$address" "$(cat "$folder/redis_exporter")"
            separator=,
        done
    done
    printf '\n}\n'
} | put redis_exporter_passwords
