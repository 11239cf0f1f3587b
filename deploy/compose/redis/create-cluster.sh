#!/bin/sh
# Joins the six nodes to a cluster of three masters with a replica each; does nothing where they are one already.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis_cluster_setup)
export REDISCLI_AUTH

cli() { redis-cli --no-auth-warning --user cluster-setup "$@"; }

if cli -h redis-1 cluster info | grep -q '^cluster_state:ok'; then
    echo "the cluster is there"
    exit 0
fi

nodes=
for host in redis-1 redis-2 redis-3 redis-4 redis-5 redis-6; do
    # Nodes meet by address, not by name.
    nodes="$nodes $(getent hosts "$host" | { read -r address _; echo "$address"; }):6379"
done
# shellcheck disable=SC2086 # a list
cli --cluster create $nodes --cluster-replicas 1 --cluster-yes

tries=60
until cli -h redis-1 cluster info | grep -q '^cluster_state:ok'; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "the cluster did not become ready" >&2; exit 1; }
    sleep 1
done
echo "the cluster is ready"
