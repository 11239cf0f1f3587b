#!/bin/sh
# Replaces a service's containers by new ones, of a new image or with new settings, without a request that fails: starts
# as many again, waits until they are ready, and stops the old ones, each of which drains. (`docker compose up` stops
# them all at once.) It refuses where the new ones would have another Redis than the old ones.
#
#   deploy/compose/roll.sh ingest            or: results
#
# COMPOSE is how Compose is run here, with its options, where it is not `docker compose`; DOCKER, how Docker is.
set -eu
cd "$(dirname "$0")/../.."
service=${1:?which service? ingest or results}
compose=${COMPOSE:-docker compose}
docker=${DOCKER:-docker}

old=$($compose ps --quiet "$service")
count=$(printf '%s\n' "$old" | grep -c .) || { echo "no container of $service runs" >&2; exit 1; }
deploy/compose/same-redis.sh

$compose up --detach --no-deps --no-recreate --wait --scale "$service=$((2 * count))" "$service"
# The proxy asks for addresses and for readiness twice a second.
sleep 2
for container in $old; do
    # For as long as stop_grace_period allows.
    $docker stop "$container" >/dev/null
    $docker rm "$container" >/dev/null
    echo "replaced $container"
done
