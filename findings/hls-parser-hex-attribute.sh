#!/usr/bin/env bash
# npm hls-parser 0.16.1: a client's own attribute in hexadecimal, read and written again, becomes the text of a list of decimals.
#
# RFC 8216, 4.3.2.7, `X-<client-attribute>`: "The attribute value MUST be a quoted-string, a hexadecimal-sequence, or a
# decimal-floating-point." The reader knows the three kinds; the writer puts the hexadecimal one into quotes, each byte in
# decimal. `SCTE35-OUT` on the same line, of the same kind, comes back as it was. Nothing warns. So a tool that only passes
# a live playlist on (to shorten it, to add a mark) breaks the mark of a voting window, a key or a digest carried there;
# the players behind it see a valid attribute of another kind, with another value.
#
# Seen with hls-parser 0.16.1. Output:
#   read: X-BR-TV-VOTO=0xFC30AB SCTE35-OUT=0xFC002F00
#   written: X-BR-TV-VOTO="252,48,171" SCTE35-OUT=0xFC002F00
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error hls-parser@0.16.1 >/dev/null

cat > read.m3u8 <<'M3U8'
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:6
#EXT-X-PROGRAM-DATE-TIME:2026-12-01T21:30:00.000Z
#EXT-X-DATERANGE:ID="voto-1",START-DATE="2026-12-01T21:30:03.000Z",DURATION=3,X-BR-TV-VOTO=0xFC30AB,SCTE35-OUT=0xFC002F00
#EXTINF:6,
a.ts
#EXT-X-ENDLIST
M3U8
node -e '
const { readFileSync, writeFileSync } = require("fs");
const { parse, stringify } = require("hls-parser");
writeFileSync("written.m3u8", stringify(parse(readFileSync("read.m3u8", "utf8"))));
'

# attributes FILE: the two attributes as that playlist has them.
attributes() {
  grep -oE '(X-BR-TV-VOTO|SCTE35-OUT)=("[^"]*"|[^,]*)' "$1" | sort -r | tr '\n' ' ' | sed 's/ $//'
}

read=$(attributes read.m3u8)
written=$(attributes written.m3u8)
echo "read: $read"
echo "written: $written"
[ "$written" = 'X-BR-TV-VOTO="252,48,171" SCTE35-OUT=0xFC002F00' ]
