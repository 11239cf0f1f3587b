#!/usr/bin/env bash
# crate qrcode 0.14.1: a bar of blocks or a row of stars in UTF-8 is put into the code as Japanese characters.
#
# ISO/IEC 18004, "Kanji mode": "encodes Kanji characters in accordance with the Shift JIS system based on JIS X 0208."
# The crate takes "binary data" and picks the modes by itself. Bytes that could be a pair of Shift JIS are put into a
# Kanji segment wherever that is shorter, and the three bytes of "█" or "★", repeated, are such pairs. A reader then does
# as the standard says and reads that segment as Shift JIS. Names with accents and dashes come back right, and so does a
# bar of up to three: from four in a row on it breaks. A receipt or a text to share ("Ana ████ 61%") so passes the test
# with a small share and shows foreign letters on phones with a larger one. `Bits::push_byte_data` in place of
# `QrCode::new` keeps the text.
#
# Seen with qrcode 0.14.1, read by PyPI zxing-cpp 3.1.1. Output:
#   Paredão — 61% → Paredão — 61%
#   Ana ███ 61% → Ana ███ 61%
#   Ana ████ 61% → another text
#   Nota ★★★★ → another text
#   Ana ████ 61%, as bytes → Ana ████ 61%
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv reader
reader/bin/pip install --quiet --disable-pip-version-check zxing-cpp==3.1.1
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "codes"
version = "0.1.0"
edition = "2021"

[dependencies]
qrcode = { version = "=0.14.1", default-features = false }
TOML
cat > src/main.rs <<'RS'
use qrcode::bits::Bits;
use qrcode::{Color, EcLevel, QrCode, Version};

/// Prints the code as one line: its text, how it was made, its width, its modules.
fn print(text: &str, how: &str, code: &QrCode) {
    let modules: String =
        code.to_colors().iter().map(|color| if *color == Color::Dark { '1' } else { '0' }).collect();
    println!("{text}\t{how}\t{}\t{modules}", code.width());
}

fn main() {
    for text in ["Paredão — 61%", "Ana ███ 61%", "Ana ████ 61%", "Nota ★★★★"] {
        print(text, "", &QrCode::new(text).unwrap());
    }
    let text = "Ana ████ 61%";
    let mut bits = Bits::new(Version::Normal(4));
    bits.push_byte_data(text.as_bytes()).unwrap();
    bits.push_terminator(EcLevel::M).unwrap();
    print(text, ", as bytes", &QrCode::with_bits(bits, EcLevel::M).unwrap());
}
RS
cat > read.py <<'PY'
import sys

import zxingcpp

SCALE, QUIET = 4, 4
for line in sys.stdin:
    text, how, width, modules = line.rstrip("\n").split("\t")
    width = int(width)
    side = (width + 2 * QUIET) * SCALE
    picture = bytearray(b"\xff" * side * side)
    for place, module in enumerate(modules):
        if module == "1":
            top, left = place // width + QUIET, place % width + QUIET
            for row in range(top * SCALE, (top + 1) * SCALE):
                start = row * side + left * SCALE
                picture[start:start + SCALE] = bytes(SCALE)
    (code,) = zxingcpp.read_barcodes(memoryview(picture).cast("B", shape=[side, side]))
    print(f"{text}{how} → {text if code.text == text else 'another text'}")
PY
found=$(CARGO_BUILD_JOBS=1 cargo run --quiet | PYTHONUTF8=1 reader/bin/python read.py)
echo "$found"
[ "$found" = 'Paredão — 61% → Paredão — 61%
Ana ███ 61% → Ana ███ 61%
Ana ████ 61% → another text
Nota ★★★★ → another text
Ana ████ 61%, as bytes → Ana ████ 61%' ]
