//! Steps: each is looked at until it holds or its time is over, timed, and said.

use crate::context::Context;
use crate::failure::Failure;
use serde::Serialize;
use std::time::{Duration, Instant};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What one look has found.
#[derive(Debug)]
pub(super) enum Look<T> {
    /// What was expected, and what was seen of it.
    Right(T, String),
    /// Something else, which may still change.
    NotYet(Instead),
    /// Something else, which won't.
    Wrong(Instead),
}

/// What was found instead of what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instead {
    /// This.
    Other(String),
    /// No answer, for this reason: who was asked is away.
    Nothing(String),
}

/// A step that was done.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    passed: bool,
    /// What was seen, or what came instead.
    saw: String,
    took_ms: u64,
}

/// What failed.
#[derive(Debug, Serialize)]
struct Miss {
    step: &'static str,
    expected: String,
    got: String,
    from: String,
}

/// What came of all steps.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    poll: Option<String>,
    ingest: String,
    results: String,
    passed: bool,
    steps: Vec<Step>,
    failure: Option<Miss>,
}

/// Does the steps, one after the other, and says each as soon as it is over.
pub(super) struct Steps<'c, 't> {
    pub(super) context: &'c mut Context<'t>,
    timeout: Duration,
    report: Report,
}

impl<'c, 't> Steps<'c, 't> {
    pub(super) fn new(
        context: &'c mut Context<'t>,
        timeout: Duration,
        (ingest, results): (String, String),
    ) -> Self {
        Self {
            context,
            timeout,
            report: Report {
                poll: None,
                ingest,
                results,
                passed: false,
                steps: Vec::new(),
                failure: None,
            },
        }
    }

    /// In which poll.
    pub(super) fn in_poll(&mut self, poll: &str) {
        self.report.poll = Some(poll.to_owned());
    }

    /// Looks until it is right, at most for the time that a step has; `from` is where it looks.
    ///
    /// # Errors
    /// [`Failure::Refused`] with what was expected, what came and from where; [`Failure::Broken`] where nothing came.
    pub(super) async fn until<T>(
        &mut self,
        step: &'static str,
        expected: &str,
        from: &str,
        mut look: impl AsyncFnMut() -> Result<Look<T>, Failure>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let found = loop {
            match look().await {
                Ok(Look::Right(value, saw)) => {
                    self.done(step, true, saw, start.elapsed())?;
                    return Ok(value);
                }
                Ok(Look::NotYet(_)) if start.elapsed() < self.timeout => {}
                Ok(Look::NotYet(found) | Look::Wrong(found)) => break found,
                Err(failure) => {
                    self.done(step, false, failure.to_string(), start.elapsed())?;
                    return Err(failure);
                }
            }
            tokio::time::sleep(PAUSE).await;
        };
        let took = start.elapsed();
        let (got, is_away) = match found {
            Instead::Other(got) => (got, false),
            Instead::Nothing(why) => (why, true),
        };
        self.done(step, false, got.clone(), took)?;
        let text = format!(
            "{step}: expected {expected}, got {got} from {from} ({:.1} s)",
            took.as_secs_f64()
        );
        self.report.failure = Some(Miss {
            step,
            expected: expected.to_owned(),
            got,
            from: from.to_owned(),
        });
        Err(if is_away {
            Failure::Broken(anyhow::Error::msg(text))
        } else {
            Failure::Refused(text)
        })
    }

    fn done(
        &mut self,
        step: &'static str,
        passed: bool,
        saw: String,
        took: Duration,
    ) -> Result<(), Failure> {
        if !self.context.json() {
            let word = if passed { "ok" } else { "FAILED" };
            let took = format!("{:.3} s", took.as_secs_f64());
            let line = format!("{word:<6}  {took:>9}  {step:<9}  {saw}");
            self.context.terminal.line(&line)?;
            // Whoever watches sees what it waits for.
            self.context.terminal.flush()?;
        }
        self.report.steps.push(Step {
            step,
            passed,
            saw,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(())
    }

    /// Writes what came of it, also where a step has failed.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn finish(mut self, passed: bool) -> Result<(), Failure> {
        self.report.passed = passed;
        if self.context.json() {
            return self.context.write_json(&self.report);
        }
        if passed {
            let took: u64 = self.report.steps.iter().map(|step| step.took_ms).sum();
            let poll = self.report.poll.as_deref().unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
            let seconds = took as f64 / 1_000.0;
            let line = format!("passed: one vote in {poll}, in and out, in {seconds:.1} s");
            self.context.terminal.line(&line)?;
        }
        Ok(())
    }
}
