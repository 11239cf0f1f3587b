//! `--wait-for-redis`: for a Redis that is still starting, or failing over.

use crate::context::Context;
use crate::failure::{self, Failure};
use std::time::Duration;
use vote_store::{PollOperator, StoreError};

/// Between the first two attempts; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Between two attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Returns as soon as Redis answers. What time doesn't heal (a wrong password, a wrong address) is not waited for: the
/// command itself says it.
///
/// # Errors
/// What was last wrong, when `patience` is over.
pub(crate) async fn for_redis(
    context: &mut Context<'_>,
    patience: Duration,
) -> Result<(), Failure> {
    let operator = context.operator()?;
    let mut last = match attempt(&operator).await {
        None => return Ok(()),
        Some(error) => error,
    };
    let shown = context.global.redis.shown();
    let note =
        format!("{shown} isn't there yet ({last}): waiting for it, for {patience:?} at most");
    context.terminal.note(&note);
    let again = async {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match attempt(&operator).await {
                None => return,
                Some(error) => last = error,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    if tokio::time::timeout(patience, again).await.is_ok() {
        return Ok(());
    }
    context
        .terminal
        .note(&format!("waited {patience:?} for {shown}"));
    Err(last.into())
}

/// Asks for something small; what is wrong, if it may pass.
async fn attempt(operator: &PollOperator) -> Option<StoreError> {
    let error = operator.receipt_key().await.err()?;
    may_pass(&error).then_some(error)
}

fn may_pass(error: &StoreError) -> bool {
    let text = error.to_string();
    match error {
        StoreError::Connect(_) | StoreError::Redis(_) => !failure::is_about_the_user(&text),
        StoreError::Corrupt { .. }
        | StoreError::Address(_)
        | StoreError::Full { .. }
        | StoreError::Unsupported(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::may_pass;
    use vote_store::StoreError;

    #[test]
    fn what_time_does_not_heal_is_not_waited_for() {
        for (text, passes) in [
            ("Connection refused (os error 111)", true),
            ("LOADING: Redis is loading the dataset in memory", true),
            ("CLUSTERDOWN: the cluster is down", true),
            ("WRONGPASS: invalid username-password pair", false),
            ("NOPERM: this user has no permissions", false),
        ] {
            assert_eq!(
                may_pass(&StoreError::Connect(text.to_owned())),
                passes,
                "{text}"
            );
        }
        assert!(!may_pass(&StoreError::Address("ftp://".to_owned())));
    }
}
