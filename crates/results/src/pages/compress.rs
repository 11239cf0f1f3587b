//! Compression, as cheap as bodies that are made with each revision need it.
//!
//! The coders clear their tables at each call, which takes longer than to compress two kilobytes: so the smaller a body is, the
//! smaller are the tables that its quality asks for.

use std::io::{self, Write as _};

use brotli::enc::BrotliEncoderParams;
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Up to this size a better quality finds little more, and clears a megabyte.
const SMALL: usize = 4 * 1024;

/// From this size on, a body is compressed quickly: the minutes of two days.
const LARGE: usize = 64 * 1024;

/// Of brotli, as a power of two; the same for all parts of a body. Not less: up to 16, quality 5 takes ten times as long for the
/// same size.
const WINDOW: i32 = 18;

/// So much of what comes before a part is told to gzip, for the part to refer to.
const DICTIONARY: usize = 8 * 1024;

/// Of gzip: a member without a name or a time, so that the same content is the same bytes everywhere (RFC 1952 §2.3).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty last block: what ends a brotli stream of parts.
const BROTLI_END: u8 = 0x03;

/// How a part of a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is made with each revision.
    Quick,
    /// It is retained for the next ones.
    Thorough,
}

/// Quick where it is only for one who asked, or large.
pub(crate) fn gzip(content: &[u8], is_for_one: bool) -> io::Result<Vec<u8>> {
    let is_quick = is_for_one || content.len() > LARGE;
    let level = gzip_level(if is_quick {
        Pace::Quick
    } else {
        Pace::Thorough
    });
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 3 + 64), level);
    encoder.write_all(content)?;
    encoder.finish()
}

pub(crate) fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let quality = match content.len() {
        0..=SMALL => 3,
        length if length <= LARGE => 5,
        _ => 2,
    };
    encode(content, &brotli_params(content, quality))
}

/// A part of a deflate stream, to follow what `before` ends with. It ends at a whole byte.
pub(crate) fn deflate_part(
    part: &[u8],
    before: &[u8],
    pace: Pace,
    is_last: bool,
) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(gzip_level(pace), false);
    if !before.is_empty() {
        let from = before.len().saturating_sub(DICTIONARY);
        compress.set_dictionary(&before[from..])?;
    }
    let flush = if is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut written = Vec::with_capacity(part.len() / 3 + 256);
    loop {
        let taken = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let status = compress.compress_vec(&part[taken..], &mut written, flush)?;
        let has_room = written.len() < written.capacity();
        if status == Status::StreamEnd || (!is_last && has_room) {
            return Ok(written);
        }
        written.reserve(part.len() / 2 + 256);
    }
}

/// The gzip member of a content that was deflated in parts.
pub(crate) fn gzip_of(content: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(content);
    let (sum, length) = (crc.sum().to_le_bytes(), crc.amount().to_le_bytes());
    [&[&GZIP_HEADER[..]], parts, &[&sum[..], &length[..]]]
        .concat()
        .concat()
}

/// A part of a brotli stream, which refers to no other part. The first one has the stream's header.
pub(crate) fn brotli_part(part: &[u8], pace: Pace, is_first: bool) -> io::Result<Vec<u8>> {
    let quality = match pace {
        Pace::Quick => 3,
        Pace::Thorough if part.len() > LARGE => 4,
        Pace::Thorough => 7,
    };
    let params = BrotliEncoderParams {
        bare_stream: true,
        appendable: true,
        catable: !is_first,
        ..brotli_params(part, quality)
    };
    encode(part, &params)
}

/// The brotli stream of a content that was encoded in parts.
pub(crate) fn brotli_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = parts.concat();
    stream.push(BROTLI_END);
    stream
}

const fn gzip_level(pace: Pace) -> Compression {
    match pace {
        Pace::Quick => Compression::new(3),
        Pace::Thorough => Compression::new(6),
    }
}

fn brotli_params(content: &[u8], quality: i32) -> BrotliEncoderParams {
    BrotliEncoderParams {
        quality,
        lgwin: WINDOW,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    }
}

fn encode(content: &[u8], params: &BrotliEncoderParams) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::with_capacity(content.len() / 3 + 64);
    brotli::BrotliCompress(&mut &content[..], &mut compressed, params)?;
    Ok(compressed)
}
