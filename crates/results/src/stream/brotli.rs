//! A stream of brotli that is never finished (RFC 7932): what was sent before makes what follows small.

use std::io::{self, Write as _};

use actix_web::web::Bytes;
use brotli::CompressorWriter;

/// Bytes that the compressor gathers before it works.
const BUFFER: usize = 4096;
/// Events are alike: more would cost much more time for little.
const QUALITY: u32 = 4;
/// A window of 16 KiB (2^14) holds the last few events.
const LOG_WINDOW: u32 = 14;

/// One reader's stream.
pub(super) struct BrotliStream(Box<CompressorWriter<Vec<u8>>>);

impl BrotliStream {
    pub(super) fn new() -> Self {
        let compressor = CompressorWriter::new(Vec::new(), BUFFER, QUALITY, LOG_WINDOW);
        Self(Box::new(compressor))
    }

    /// The bytes to send for a chunk: all of it can be read from them.
    ///
    /// # Errors
    /// Those of the compressor: none, in memory.
    pub(super) fn add(&mut self, chunk: &[u8]) -> io::Result<Bytes> {
        self.0.write_all(chunk)?;
        self.0.flush()?;
        Ok(std::mem::take(self.0.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn each_chunk_can_be_read_at_once_and_what_is_alike_is_small() {
        let mut stream = BrotliStream::new();
        let (mut sent, mut said) = (Vec::new(), String::new());
        for revision in 0..20 {
            let event = format!(
                "id: r{revision}\ndata: {}\n\n",
                "{\"id\":\"ana\",\"votes\":12}".repeat(40)
            );
            let chunk = stream.add(event.as_bytes()).expect("compresses");
            assert!(
                revision == 0 || chunk.len() < event.len() / 10,
                "{}",
                chunk.len()
            );
            sent.extend_from_slice(&chunk);
            said.push_str(&event);
            let mut read = vec![0; said.len()];
            let mut decoder = brotli::Decompressor::new(sent.as_slice(), 4096);
            decoder.read_exact(&mut read).expect("all that was sent");
            assert_eq!(String::from_utf8(read).expect("text"), said);
        }
    }
}
