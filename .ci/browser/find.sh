#!/bin/sh
# Prints the path of a Chromium or Chrome of this machine, or exits 1: CHROMIUM=/path/to/one, or the first of these.
if [ -n "${CHROMIUM:-}" ]; then
  command -v "$CHROMIUM"
  exit
fi
for browser in chromium google-chrome google-chrome-stable chromium-browser \
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
  command -v "$browser" && exit
done
exit 1
