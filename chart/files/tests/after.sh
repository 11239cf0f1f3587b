# After the vote: the results service must show a newer standing, from Redis and not stale. Wants RESULTS and POLL;
# reads /work/revision.
set -eu
url=$RESULTS/v1/polls/$POLL/results
before=$(cat /work/revision)
tries=0
while [ "$tries" -lt 30 ]; do
  standing=$(wget -q -T 5 -O - "$url") || standing=
  revision=$(printf %s "$standing" | sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
  case $standing in
  *'"status":"provisional"'*)
    if [ "${revision:-0}" -gt "$before" ]; then
      echo "the results show revision $revision, after $before before the vote"
      exit 0
    fi
    ;;
  esac
  tries=$((tries + 1))
  sleep 1
done
echo "the vote is in the tally, but $url still shows revision ${revision:-none}, not one after $before: $standing" >&2
exit 1
