#!/usr/bin/env bash
# npm mpd-parser 1.4.0 (DASH, the parser inside Video.js): an event's start leaves out the offset of its event stream.
#
# ISO/IEC 23009-1, 5.10.2, `EventStream@presentationTimeOffset`: "Any Event contained in this Event Stream is mapped to the
# Period timeline by using the Event presentation time adjusted by the value of the presentation time offset." So an event
# at 5,010 s with an offset of 5,000 s begins 10 s into the period. The parser gives 5,010 s in `start`, though for
# segments, with the same offset in the same manifest, it does the subtraction. Live packagers keep the encoder's clock in
# both, so an event "voting opens" never fires in a page that compares `start` with the player's time; with an offset of 0,
# as in most test streams, all is well.
#
# Seen with mpd-parser 1.4.0 on Node 20.20.2. Output:
#   segment of media time 5010 s: starts at 10 s
#   event of presentation time 5010 s: starts at 5010 s, ends at 5040 s
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error mpd-parser@1.4.0 >/dev/null

cat > manifest.mpd <<'MPD'
<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT60S" minBufferTime="PT2S"
     profiles="urn:mpeg:dash:profile:isoff-live:2011">
  <Period id="1" start="PT0S" duration="PT60S">
    <EventStream schemeIdUri="urn:example:voting" timescale="1000" presentationTimeOffset="5000000">
      <Event id="1" presentationTime="5010000" duration="30000">open</Event>
    </EventStream>
    <AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true">
      <SegmentTemplate timescale="1000" presentationTimeOffset="5000000" media="$Time$.m4s" initialization="init.mp4">
        <SegmentTimeline><S t="5000000" d="10000" r="5"/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id="v" bandwidth="1000000" width="640" height="360" codecs="avc1.4d401e"/>
    </AdaptationSet>
  </Period>
</MPD>
MPD
cat > read.js <<'JS'
const { readFileSync } = require("fs");
const { parse } = require("mpd-parser");

const manifest = parse(readFileSync("manifest.mpd", "utf8"), { manifestUri: "https://stream.example/manifest.mpd" });
const segment = manifest.playlists[0].segments.find(({ uri }) => uri === "5010000.m4s");
const [event] = manifest.eventStream;
console.log(`segment of media time 5010 s: starts at ${segment.presentationTime} s`);
console.log(`event of presentation time 5010 s: starts at ${event.start} s, ends at ${event.end} s`);
JS
found=$(node read.js)
echo "$found"
[ "$found" = 'segment of media time 5010 s: starts at 10 s
event of presentation time 5010 s: starts at 5010 s, ends at 5040 s' ]
