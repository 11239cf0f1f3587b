#!/bin/sh
# Applies and opens the demo poll, as `votectl dev` does: open for two days from now, and a new one with the next number
# once it is over. To run it again changes nothing. It is the only thing here that needs more of the votectl image
# than votectl: sh, sed and date, which Alpine has.
#
#   demo-poll.sh FILE
set -eu
file=$1

now=$(date -u +%s)
stamp() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

# field NAME: of the poll that `poll show` has written; the first of that name is the poll's own.
field() { printf '%s\n' "$shown" | sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

number=1
while :; do
    id=$(printf 'paredao-%02d' "$number")
    set +e
    shown=$(votectl --output json poll show "$id" 2>&1)
    code=$?
    set -e
    state=
    if [ "$code" = 0 ]; then
        state=$(field state)
    elif [ "${shown#*there is no poll}" = "$shown" ]; then
        printf '%s\n' "$shown" >&2
        exit "$code"
    fi
    case $state in
        open | paused)
            closes_at=$(field closes_at)
            # Both in UTC, which sorts as text. All shells that images have can compare so.
            # shellcheck disable=SC3012
            if [ "$closes_at" \> "$(stamp "$now")" ]; then
                echo "the demo poll $id is $state until $closes_at"
                exit 0
            fi
            ;;
        # There is none, or an earlier run got no further than this.
        '' | draft) break ;;
    esac
    number=$((number + 1))
done

sed -e "s/^id: .*/id: $id/" \
    -e "s/^title: .*/title: Paredão $number/" \
    -e "s/^opens_at: .*/opens_at: $(stamp "$now")/" \
    -e "s/^closes_at: .*/closes_at: $(stamp $((now + 48 * 3600)))/" "$file" |
    votectl poll apply -
votectl poll open "$id"
