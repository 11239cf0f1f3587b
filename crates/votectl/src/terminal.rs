//! Where a command writes: results to standard output, remarks and questions to standard error.

use crate::failure::Failure;
use std::io::{self, BufRead, IsTerminal, Write};

/// The streams of one invocation, passed to every command: no command prints by itself, and tests read what it wrote.
#[derive(derive_more::Debug)]
pub struct Terminal {
    #[debug(skip)]
    out: Box<dyn Write + Send>,
    #[debug(skip)]
    err: Box<dyn Write + Send>,
    #[debug(skip)]
    input: Box<dyn BufRead + Send>,
    interactive: bool,
    live: bool,
}

impl Terminal {
    /// The process' own streams.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            out: Box::new(io::BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            input: Box::new(io::BufReader::new(io::stdin())),
            interactive: io::stdin().is_terminal(),
            live: io::stderr().is_terminal(),
        }
    }

    /// Streams of a test: `answers` is what a person would type, `None` when nobody is there.
    #[must_use]
    pub fn scripted(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        answers: Option<&'static str>,
    ) -> Self {
        Self {
            out: Box::new(out),
            err: Box::new(err),
            input: Box::new(answers.unwrap_or_default().as_bytes()),
            interactive: answers.is_some(),
            live: false,
        }
    }

    /// Standard output, for results.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Whether a progress bar can be drawn.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// One line of result.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(Failure::output)
    }

    /// One remark on standard error. That it can't be written is no reason to stop.
    pub fn note(&mut self, text: &str) {
        let _written = writeln!(self.err, "{text}");
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::output)
    }

    /// Makes sure that [`Self::confirm`] can ask: for what is done before the answer is known.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub fn can_confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes || self.interactive {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{question} Nobody can be asked here (standard input is no terminal): give --yes to go on without asking"
        )))
    }

    /// Asks for a confirmation, unless `yes` was given beforehand.
    ///
    /// # Errors
    /// When the answer is anything but `yes`, or nobody can be asked.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        self.can_confirm(question, yes)?;
        if yes {
            return Ok(());
        }
        self.flush()?;
        write!(self.err, "{question} Type yes to go on: ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        if answer.trim().eq_ignore_ascii_case("yes") {
            return Ok(());
        }
        Err(Failure::refused("not done: the answer was not `yes`"))
    }
}

#[cfg(test)]
mod tests {
    use super::Terminal;

    #[test]
    fn a_question_is_answered_by_a_person_or_beforehand() {
        let mut person = Terminal::scripted(Vec::new(), Vec::new(), Some("yes\nno\n"));
        person.confirm("Void it?", false).expect("it is confirmed");
        assert_eq!(
            person
                .confirm("Void it?", false)
                .expect_err("it is refused")
                .code(),
            1
        );
        assert_eq!(
            person
                .confirm("Void it?", false)
                .expect_err("it is refused")
                .code(),
            1
        );
        let mut nobody = Terminal::scripted(Vec::new(), Vec::new(), None);
        nobody.confirm("Void it?", true).expect("it is confirmed");
        let error = nobody
            .confirm("Void it?", false)
            .expect_err("it is refused");
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("--yes"));
    }
}
