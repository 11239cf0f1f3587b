#!/usr/bin/env bash
# npm i18next 26.7.2: a page in Brazilian Portuguese shows the fallback language at exactly 1,000,000 votes (2,000,000, …).
#
# CLDR's plural rules for "pt" have three categories: `one` is "i = 0..1", and `many` is
# "e = 0 and i != 0 and i % 1000000 = 0 and v = 0 or e != 0..5": of whole numbers, just the multiples of a million.
# UTS #35 part 3, "Language Plural Rules". i18next looks up `votes_many`; where only `votes_one` and `votes_other` are
# written, as in English, it does not take `votes_other` of the same language but goes to the fallback language, or to
# the bare key. At 0, 1, 999,999 and 1,000,001 all is well, so no usual test sees it; the round number is the one that is
# shown on air, and a count that is rounded to millions meets it always. Messages in Portuguese need `_many` too.
#
# Seen with i18next 26.7.2 on Node 20.20.2 (ICU 78.2, CLDR 48). Output:
#   1: 1 voto
#   999999: 999999 votos
#   1000000: 1000000 votes
#   1000000, no fallback language: votes
#   1000001: 1000001 votos
#   1000000, with votes_many: 1000000 votos
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error i18next@26.7.2 >/dev/null

cat > shown.mjs <<'JS'
import i18next from "i18next";

const pt = { votes_one: "{{count}} voto", votes_other: "{{count}} votos" };
const en = { votes_one: "{{count}} vote", votes_other: "{{count}} votes" };

/** What a page in Portuguese shows for this count. */
async function shown(count, fallbackLng, messages) {
  const instance = i18next.createInstance();
  const resources = { "pt-BR": { translation: messages }, en: { translation: en } };
  await instance.init({ lng: "pt-BR", fallbackLng, resources, showSupportNotice: false });
  return instance.t("votes", { count });
}

for (const count of [1, 999999, 1000000]) console.log(`${count}: ${await shown(count, "en", pt)}`);
console.log(`1000000, no fallback language: ${await shown(1000000, false, pt)}`);
console.log(`1000001: ${await shown(1000001, "en", pt)}`);
const whole = { ...pt, votes_many: "{{count}} votos" };
console.log(`1000000, with votes_many: ${await shown(1000000, "en", whole)}`);
JS
found=$(node shown.mjs)
echo "$found"
[ "$found" = '1: 1 voto
999999: 999999 votos
1000000: 1000000 votes
1000000, no fallback language: votes
1000001: 1000001 votos
1000000, with votes_many: 1000000 votos' ]
