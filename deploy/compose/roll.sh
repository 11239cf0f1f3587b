#!/bin/sh
# Replaces a service's containers by new ones, of a new image or with new settings, without a request that fails: starts
# as many again, waits until they are ready, and stops the old ones, each of which drains. (`docker compose up` stops
# them all at once.) It refuses where the new ones would have another Redis than the old ones. An old one that does not end
# well is kept with its log, and no further one is stopped.
#
#   deploy/compose/roll.sh ingest            or: results
#   deploy/compose/roll.sh ingest ID…        goes on after such a one, with the old containers that are left, as it says then
#
# COMPOSE is how Compose is run here, with its options, where it is not `docker compose`; DOCKER, how Docker is.
set -eu
cd "$(dirname "$0")/../.."
service=${1:?which service? ingest or results}
shift
compose=${COMPOSE:-docker compose}
docker=${DOCKER:-docker}

# kept CONTAINER CODE [OLD…]: what is to be done about one that has ended like that, and then with those that still run.
kept() {
    container=$1 code=$2
    shift 2
    echo "$service $container has ended with exit code $code: it is kept for its log, and no other is stopped" >&2
    case $service-$code in
        ingest-3)
            echo "  It had accepted votes that Redis may not have. They are in a file, or in that log where it says so:" >&2
            echo "  OPERATIONS.md, \"Accepted votes in a file\". Record them by votectl replay before the poll is sealed." >&2 ;;
        ingest-137)
            echo "  It was killed: what it remembered of the last minutes is gone. Run votectl audit for every open poll." >&2 ;;
    esac
    echo "  $docker logs $container > $service.log 2>&1; when all is settled, $docker rm $container" >&2
    [ $# = 0 ] || echo "  and then, for the old ones that still run: deploy/compose/roll.sh $service $*" >&2
}

# Left by an earlier run: `up` would count it among those that it is to start, and its log would go after all.
for container in $($compose ps --all --quiet "$service"); do
    state=$($docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$container")
    case $state in
        "exited 0") ;;
        exited*) kept "$container" "${state#exited }" "$@"; exit 1 ;;
    esac
done

old=$($compose ps --quiet "$service")
count=$(printf '%s\n' "$old" | grep -c .) || { echo "no container of $service runs" >&2; exit 1; }
if [ $# = 0 ]; then
    deploy/compose/same-redis.sh
    $compose up --detach --no-deps --no-recreate --wait --scale "$service=$((2 * count))" "$service"
    # The proxy asks for addresses and for readiness twice a second.
    sleep 2
    for container in $old; do set -- "$@" "$container"; done
else
    for container; do
        printf '%s\n' "$old" | grep -Fqx "$container" || { echo "no container $container of $service runs" >&2; exit 1; }
    done
    [ $# -lt "$count" ] || { echo "refused: these are all that run of $service" >&2; exit 1; }
fi
while [ $# -gt 0 ]; do
    container=$1
    shift
    # For as long as stop_grace_period allows.
    $docker stop "$container" >/dev/null
    code=$($docker inspect --format '{{.State.ExitCode}}' "$container")
    [ "$code" = 0 ] || { kept "$container" "$code" "$@"; exit 1; }
    $docker rm "$container" >/dev/null
    echo "replaced $container"
done
