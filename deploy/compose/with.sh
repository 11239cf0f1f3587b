#!/bin/sh
# Says which profiles this installation has, for every `docker compose` after it: writes their names and the settings of
# deploy/compose/NAME.env to a block at the end of .env, which Compose reads by itself. So no later command starts an
# ingest on another Redis than the rest, or one without traces.
#
#   deploy/compose/with.sh cluster observability      without a name: the system alone
#   deploy/compose/with.sh --file FILE [NAME…]        to another file than .env
#
# COMPOSE is how Compose is run here; DOCKER, how Docker is.
set -eu
cd "$(dirname "$0")/../.."
file=.env
if [ "${1:-}" = --file ]; then
    file=${2:?which file?}
    shift 2
fi
for name in "$@"; do
    [ -f "deploy/compose/$name.env" ] || { echo "there is no deploy/compose/$name.env" >&2; exit 2; }
done

first='# >>> deploy/compose/with.sh writes this block, which goes before what is above'
last='# <<< deploy/compose/with.sh'
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
    if [ -f "$file" ]; then
        awk -v "first=$first" -v "last=$last" '$0 == first { inside = 1 } !inside; $0 == last { inside = 0 }' "$file"
    fi
    if [ $# -gt 0 ]; then
        echo "$first"
        for name in "$@"; do
            grep -Ev '^(#|$)' "deploy/compose/$name.env"
        done
        (IFS=,; echo "COMPOSE_PROFILES=$*")
        echo "$last"
    fi
} > "$new"

COMPOSE="${COMPOSE:-docker compose} --env-file $new" deploy/compose/same-redis.sh
if [ ! -s "$new" ]; then
    rm -f "$file"
elif ! cmp -s "$new" "$file"; then
    # In place: whose it is and who may read it stay as they are.
    cat "$new" > "$file"
fi
