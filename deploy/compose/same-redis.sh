#!/bin/sh
# Fails where an ingest or results that runs has another Redis than Compose's settings name now: what is then started or
# replaced would take votes to the one, while the other has the rest.
#
# COMPOSE is how Compose is run here, with its options; DOCKER, how Docker is. ANOTHER_REDIS=1 lets it pass, for a move of
# paused polls (OPERATIONS.md).
set -eu
cd "$(dirname "$0")/../.."
compose=${COMPOSE:-docker compose}
docker=${DOCKER:-docker}
[ -z "${ANOTHER_REDIS:-}" ] || exit 0

# Where no engine answers, nothing runs.
$docker version >/dev/null 2>&1 || exit 0
running=$($compose ps --quiet ingest results)
[ -n "$running" ] || exit 0

# The service's comes before the one of x-vote-environment. Compose writes a `$` as two.
settings=$($compose config ingest | sed -n "s/^ *VOTE__REDIS__URL: *//p" | head -n 1 | sed "s/^[\"']//; s/[\"']\$//; s/\\\$\\\$/\$/g")
[ -n "$settings" ] || { echo "no Redis in what '$compose config ingest' says" >&2; exit 1; }
for container in $running; do
    has=$($docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$container" | sed -n 's/^VOTE__REDIS__URL=//p')
    if [ "$has" != "$settings" ]; then
        echo "refused: the containers that run have their votes in $has, and the settings name $settings (deploy/compose/with.sh names the profiles; \`make down\` stops what runs)" >&2
        exit 1
    fi
done
