//! How far the reading of a poll's figures is, where it takes long.

use indicatif::{ProgressBar, ProgressDrawTarget};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bar of the minutes that are read of a poll's figures: on a terminal alone, where that takes long enough to be asked
/// about, and gone when all are read.
pub(crate) struct LongReading {
    is_live: bool,
    /// How long it takes until it is asked about.
    long: Duration,
    /// Where a bar is drawn.
    target: Box<dyn Fn() -> ProgressDrawTarget + Send + Sync>,
    /// Since when it is read, and the bar once there is one.
    begun: Mutex<Option<(Instant, Option<ProgressBar>)>>,
}

impl LongReading {
    const LONG: Duration = Duration::from_millis(500);

    pub(crate) fn new(is_live: bool) -> Self {
        Self::drawn(is_live, Self::LONG, ProgressDrawTarget::stderr)
    }

    fn drawn(
        is_live: bool,
        long: Duration,
        target: impl Fn() -> ProgressDrawTarget + Send + Sync + 'static,
    ) -> Self {
        Self {
            is_live,
            long,
            target: Box::new(target),
            begun: Mutex::new(None),
        }
    }

    /// Tells how many of how many are read.
    pub(crate) fn tell(&self, read: u64, all: u64) {
        let Ok(mut begun) = self.begun.lock() else {
            return;
        };
        if read >= all {
            if let Some((_, Some(bar))) = begun.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let (since, bar) = begun.get_or_insert_with(|| (Instant::now(), None));
        if self.is_live && since.elapsed() >= self.long {
            bar.get_or_insert_with(|| ProgressBar::with_draw_target(Some(all), (self.target)()))
                .set_position(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::io;
    use std::sync::Arc;

    /// A terminal of a test: what was drawn on it, line by line, and how often a line was cleared.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<(String, u32)>>);

    impl Screen {
        fn add(&self, text: &str) -> io::Result<()> {
            self.0.lock().expect("not poisoned").0.push_str(text);
            Ok(())
        }

        fn drawn(&self) -> String {
            self.0.lock().expect("not poisoned").0.clone()
        }

        fn cleared(&self) -> u32 {
            self.0.lock().expect("not poisoned").1
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.add(text)?;
            self.add("\n")
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.add(text)
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().expect("not poisoned").1 += 1;
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reading(is_live: bool, long: Duration) -> (LongReading, Screen) {
        let screen = Screen::default();
        let shared = screen.clone();
        let target = move || ProgressDrawTarget::term_like(Box::new(shared.clone()));
        (LongReading::drawn(is_live, long, target), screen)
    }

    #[test]
    fn a_long_reading_is_drawn_on_a_terminal_and_gone_when_it_is_over() {
        let (reading, screen) = reading(true, Duration::ZERO);
        reading.tell(480, 2_880);
        assert!(screen.drawn().contains("480/2880"), "{}", screen.drawn());
        reading.tell(960, 2_880);
        assert!(screen.drawn().contains("960/2880"), "{}", screen.drawn());
        let (drawn, cleared) = (screen.drawn(), screen.cleared());
        reading.tell(2_880, 2_880);
        assert!(screen.cleared() > cleared);
        let after = screen.drawn();
        assert!(!after[drawn.len()..].contains('/'), "{after}");
        // Another poll's, by the same command.
        reading.tell(7, 1_440);
        assert!(screen.drawn().contains("7/1440"), "{}", screen.drawn());
    }

    #[test]
    fn nothing_is_drawn_of_a_short_reading_nor_where_nobody_looks() {
        for (is_live, long) in [(true, Duration::from_secs(3_600)), (false, Duration::ZERO)] {
            let (reading, screen) = reading(is_live, long);
            for read in [1, 480, 2_880] {
                reading.tell(read, 2_880);
            }
            assert_eq!(screen.drawn(), "");
        }
    }
}
