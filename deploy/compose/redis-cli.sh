#!/bin/sh
# redis-cli as Redis' administrator, who may do everything: in Redis' own container, for nobody else reaches it.
#
#   deploy/compose/redis-cli.sh INFO memory
#   REDIS_NODE=redis-4 deploy/compose/redis-cli.sh CLUSTER FAILOVER      a node of the cluster; else the first that runs
#
# It exits 1 where Redis refuses. COMPOSE is how Compose is run here, with its options; DOCKER, how Docker is.
set -eu
cd "$(dirname "$0")/../.."
compose=${COMPOSE:-docker compose}
docker=${DOCKER:-docker}
secret=deploy/compose/secrets/redis_admin

[ -r "$secret" ] || { echo "$secret can't be read: deploy/compose/secrets.sh makes it" >&2; exit 1; }
node=${REDIS_NODE:-$($compose ps --services --filter status=running | grep -E '^redis(-[0-9]+)?$' | sort | head -n 1)}
[ -n "$node" ] || { echo "no Redis runs here" >&2; exit 1; }
container=$($compose ps --quiet "$node")
[ -n "$container" ] || { echo "$node does not run" >&2; exit 1; }

terminal=
if [ -t 0 ] && [ -t 1 ]; then terminal=--tty; fi
# By the environment: a command line is read by everybody on the machine.
REDISCLI_AUTH=$(cat "$secret")
export REDISCLI_AUTH
# -c: in a cluster, a key's command goes to the node that has it.
# shellcheck disable=SC2086 # none or one
exec $docker exec --interactive $terminal --env REDISCLI_AUTH "$container" redis-cli -e -c --user admin "$@"
