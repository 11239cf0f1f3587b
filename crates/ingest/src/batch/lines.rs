//! The lines of a body that comes in pieces.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::{Bytes, BytesMut};
use tokio::time::Instant;

/// The most bytes of a batch.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// The most lines of a batch, blank ones too.
pub(crate) const MAX_LINES: u32 = 10_000;

/// Pieces that come within so long are of one time, that of the first: however small they are, their times are few.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What some editors begin a text with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What has come of a body and is not read yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// So many bytes of the buffer are known to have no end of a line.
    searched: usize,
    received: usize,
    /// So many bytes were taken out as lines.
    taken: usize,
    /// When the bytes came that are not taken: of each time, how many had been received by then.
    came: VecDeque<(usize, Instant)>,
    /// Lines so far, blank ones too.
    count: u32,
}

/// A line that has come whole.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u32,
    pub(super) text: Bytes,
    /// When its end came.
    pub(super) came_at: Instant,
}

/// A body has more than is read of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooLarge {
    Bytes,
    Lines,
}

impl Lines {
    /// Adds what has come now.
    ///
    /// # Errors
    /// It is more than a batch may have: what is beyond is dropped.
    pub(super) fn add(&mut self, piece: &[u8], now: Instant) -> Result<(), TooLarge> {
        let room = MAX_BYTES - self.received;
        let taken = piece.get(..room).unwrap_or(piece);
        self.received += taken.len();
        self.buffer.extend_from_slice(taken);
        match self.came.back_mut() {
            Some((received, at)) if now.duration_since(*at) < AT_ONCE => *received = self.received,
            _ => self.came.push_back((self.received, now)),
        }
        if taken.len() < piece.len() {
            return Err(TooLarge::Bytes);
        }
        Ok(())
    }

    /// The next line that has come whole and is not blank.
    ///
    /// # Errors
    /// There is one more than a batch may have.
    pub(super) fn next(&mut self) -> Result<Option<Line>, TooLarge> {
        while let Some(line) = self.cut()? {
            if !is_blank(&line.text) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// What is left behind the last end of a line, once no more comes, if it is not blank.
    ///
    /// # Errors
    /// It is one line more than a batch may have.
    pub(super) fn rest(&mut self) -> Result<Option<Line>, TooLarge> {
        let rest = self.buffer.split().freeze();
        self.searched = 0;
        if is_blank(&rest) {
            return Ok(None);
        }
        let rest = self.number(rest)?;
        Ok((!is_blank(&rest.text)).then_some(rest))
    }

    /// The number of the line that would be next.
    pub(super) const fn next_number(&self) -> u32 {
        self.count + 1
    }

    fn cut(&mut self) -> Result<Option<Line>, TooLarge> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return Ok(None);
        };
        let whole = self.buffer.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        self.number(whole).map(Some)
    }

    /// Counts a line, and takes from the first what is no text.
    fn number(&mut self, line: Bytes) -> Result<Line, TooLarge> {
        if self.count >= MAX_LINES {
            return Err(TooLarge::Lines);
        }
        self.count += 1;
        let came_at = self.time_of(line.len());
        let text = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(text) if self.count == 1 => line.slice_ref(text),
            _ => line,
        };
        Ok(Line {
            number: self.count,
            text,
            came_at,
        })
    }

    /// When the last of the next so many bytes came, which are taken.
    fn time_of(&mut self, bytes: usize) -> Instant {
        self.taken += bytes;
        while let Some((received, at)) = self.came.front() {
            if *received >= self.taken {
                return *at;
            }
            self.came.pop_front();
        }
        // No byte came without its time.
        Instant::now()
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of a body that comes in these pieces, with the rest.
    fn lines(pieces: &[&[u8]]) -> (Vec<(u32, String)>, Option<TooLarge>) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut keep = |line: Line| {
            let text = String::from_utf8_lossy(&line.text).trim().to_owned();
            found.push((line.number, text));
        };
        for piece in pieces {
            let added = lines.add(piece, Instant::now());
            loop {
                match lines.next() {
                    Ok(Some(line)) => keep(line),
                    Ok(None) => break,
                    Err(error) => return (found, Some(error)),
                }
            }
            if let Err(error) = added {
                return (found, Some(error));
            }
        }
        match lines.rest() {
            Ok(rest) => {
                rest.into_iter().for_each(keep);
                (found, None)
            }
            Err(error) => (found, Some(error)),
        }
    }

    fn found(pieces: &[&[u8]]) -> Vec<(u32, String)> {
        let (found, error) = lines(pieces);
        assert_eq!(error, None);
        found
    }

    #[test]
    fn lines_have_numbers_and_blank_ones_are_none() {
        let of = |lines: &[(u32, &str)]| -> Vec<(u32, String)> {
            lines.iter().map(|(n, s)| (*n, (*s).to_owned())).collect()
        };
        for (body, expected) in [
            (&b""[..], of(&[])),
            (b"\n\n \t\r\n", of(&[])),
            (b"\xef\xbb\xbf", of(&[])),
            (b"a", of(&[(1, "a")])),
            (b"a\n", of(&[(1, "a")])),
            (b"a\nb", of(&[(1, "a"), (2, "b")])),
            (b"a\r\n\r\nb\r\n", of(&[(1, "a"), (3, "b")])),
            (
                b"\xef\xbb\xbfa\n\xef\xbb\xbfb",
                of(&[(1, "a"), (2, "\u{feff}b")]),
            ),
            // No line ends by a carriage return alone.
            (b"a\rb\n", of(&[(1, "a\rb")])),
            (b"\n\n  a  ", of(&[(3, "a")])),
        ] {
            assert_eq!(found(&[body]), expected, "{body:?}");
        }
    }

    #[test]
    fn what_is_beyond_the_limits_is_not_read() {
        let most = "x\n".repeat(MAX_LINES as usize);
        assert_eq!(found(&[most.as_bytes()]).len(), MAX_LINES as usize);
        for more in ["x", "x\n", "\n"] {
            let (found, error) = lines(&[most.as_bytes(), more.as_bytes()]);
            assert_eq!(
                (found.len(), error),
                (MAX_LINES as usize, Some(TooLarge::Lines))
            );
        }
        let long = "y".repeat(MAX_BYTES - 2);
        assert_eq!(found(&[b"x\n", long.as_bytes()]).len(), 2);
        let (found, error) = lines(&[b"x\n", long.as_bytes(), b"z"]);
        assert_eq!((found.len(), error), (1, Some(TooLarge::Bytes)));
        let blank = vec![b'\n'; MAX_BYTES];
        assert_eq!(lines(&[&blank]), (Vec::new(), Some(TooLarge::Lines)));
    }

    #[test]
    fn a_line_came_when_its_end_did_however_late_it_is_taken() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut lines = Lines::default();
        for (piece, ms) in [
            ("a\nb", 0),
            ("b\n\n", 1_000),
            ("c", 2_000),
            // Of the same time as the piece before.
            ("\nd\n", 2_099),
            ("e\nf", 2_100),
        ] {
            lines.add(piece.as_bytes(), at(ms)).expect("there is room");
        }
        for (number, ms) in [(1, 0), (2, 1_000), (4, 2_000), (5, 2_000), (6, 2_100)] {
            let line = lines.next().expect("few").expect("one more");
            assert_eq!((line.number, line.came_at), (number, at(ms)));
        }
        assert!(lines.next().expect("few").is_none());
        let rest = lines.rest().expect("few").expect("one more");
        assert_eq!((rest.number, rest.came_at), (7, at(2_100)));
    }

    proptest! {
        /// However a body is cut into pieces, its lines are the same.
        #[test]
        fn pieces_make_no_difference(
            body in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(0xef), any::<u8>()], 0..200),
            cuts in prop::collection::vec(0_usize..200, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&body[from..cut]);
                from = cut;
            }
            pieces.push(&body[from..]);
            prop_assert_eq!(found(&pieces), found(&[&body]));
        }
    }
}
