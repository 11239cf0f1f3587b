# Before the vote: the poll must be a rehearsal, so that no test ever votes in a real one, and its standing is noted.
# Wants RESULTS and POLL; writes /work/revision.
set -eu
url=$RESULTS/v1/polls/$POLL/results
if ! standing=$(wget -q -T 5 -O - "$url"); then
  echo "$url can't be read: has the poll $POLL been applied, and are the results pods ready?" >&2
  exit 1
fi
case $standing in
*'"kind":"rehearsal"'*) ;;
*)
  echo "the poll $POLL is no rehearsal: nothing was sent" >&2
  exit 1
  ;;
esac
case $standing in
*'"state":"open"'*) ;;
*)
  echo "the poll $POLL takes no votes now. Open it: votectl poll open $POLL" >&2
  exit 1
  ;;
esac
printf %s "$standing" | sed 's/.*"revision":\([0-9]*\).*/\1/' >/work/revision
echo "$POLL is an open rehearsal, at revision $(cat /work/revision)"
