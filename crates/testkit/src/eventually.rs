//! Waiting for a condition, never for time.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// What a polled closure may answer: `bool`, `Option<T>` or `Result<T, impl Display>`.
pub trait Condition {
    /// What [`eventually`] returns once the condition holds.
    type Value;

    /// The value when the condition holds, else what is still missing.
    ///
    /// # Errors
    /// A text for the panic message of [`eventually`].
    fn check(self) -> Result<Self::Value, String>;
}

impl Condition for bool {
    type Value = ();

    fn check(self) -> Result<(), String> {
        if self {
            Ok(())
        } else {
            Err("it was still false".to_owned())
        }
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn check(self) -> Result<T, String> {
        self.ok_or_else(|| "it was still None".to_owned())
    }
}

impl<T, E: Display> Condition for Result<T, E> {
    type Value = T;

    fn check(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Polls `condition` until it holds and returns its value; checks first, then every 2 to 50 ms.
///
/// The closure is always given a last try at the deadline, so that a slow machine fails only when the condition is
/// really false.
///
/// # Panics
/// When the condition doesn't hold within `deadline`: the message names the caller's line and the last answer.
#[track_caller]
pub fn eventually<C, F, Fut>(deadline: Duration, mut condition: F) -> impl Future<Output = C::Value>
where
    C: Condition,
    F: FnMut() -> Fut,
    Fut: Future<Output = C>,
{
    let caller = Location::caller();
    async move {
        let until = Instant::now() + deadline;
        let mut pause = Duration::from_millis(2);
        loop {
            let last_try = Instant::now() >= until;
            match condition().await.check() {
                Ok(value) => return value,
                Err(missing) if last_try => {
                    panic!("{caller}: the condition did not hold within {deadline:?}: {missing}")
                }
                Err(_) => tokio::time::sleep_until(until.min(Instant::now() + pause)).await,
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::eventually;
    use std::time::Duration;

    #[tokio::test]
    async fn a_condition_that_comes_true_gives_its_value() {
        let mut calls = 0;
        let value = eventually(Duration::from_secs(5), || {
            calls += 1;
            let answer = (calls == 3).then_some(calls);
            async move { answer }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "did not hold within 20ms: nobody came")]
    async fn a_condition_that_stays_false_panics_with_its_last_error() {
        eventually(Duration::from_millis(20), || async {
            Err::<(), _>("nobody came")
        })
        .await;
    }
}
