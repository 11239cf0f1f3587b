//! The tokens of feeds: those of the settings, and those of a file that is read again and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use vote_runtime::settings::{AccessSettings, FeedToken, read_feed_tokens};

/// How often the file is looked at: a token that is revoked is of no use a few seconds later.
const LOOK: Duration = Duration::from_secs(2);

/// The tokens that are known now.
#[derive(Debug, Default)]
pub(crate) struct FeedTokens {
    listed: Vec<FeedToken>,
    of_file: ArcSwap<Vec<FeedToken>>,
}

impl FeedTokens {
    /// Those of the settings, and of the file until `cancel`.
    pub(crate) fn start(settings: &AccessSettings, cancel: &CancellationToken) -> Arc<Self> {
        // Both were checked when the settings were loaded; what has changed since is said below.
        let listed = settings.listed_feed_tokens().unwrap_or_default();
        let tokens = Arc::new(Self {
            listed,
            of_file: ArcSwap::default(),
        });
        if let Some(path) = settings.feed_tokens_file.clone() {
            // At once: nobody is to be refused because the process has just started.
            if let Ok(read) = read_feed_tokens(&path) {
                tokens.of_file.store(Arc::new(read));
            }
            let watching = watch(Arc::clone(&tokens), path);
            tokio::spawn(cancel.clone().run_until_cancelled_owned(watching));
        }
        tokens
    }

    /// Whether it is one of them.
    pub(crate) fn knows(&self, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let of_file = self.of_file.load();
        let mut all = self.listed.iter().chain(of_file.iter());
        all.any(|known| known.digest == digest)
    }
}

/// Reads the file again, for ever. One that can't be read, or is wrong, revokes nothing: that is said, once.
async fn watch(tokens: Arc<FeedTokens>, path: PathBuf) {
    let mut is_failing = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let of_task = path.clone();
        let read = tokio::task::spawn_blocking(move || read_feed_tokens(&of_task));
        let read = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(%error, "the file of feed tokens is not taken: those known so far stay");
                }
                continue;
            }
            // The runtime ends.
            Err(_) => return,
        };
        is_failing = false;
        if **tokens.of_file.load() != read {
            let names: Vec<&str> = read.iter().map(|token| token.name.as_str()).collect();
            tracing::info!(tokens = %names.join(", "), "feed tokens were read anew");
            tokens.of_file.store(Arc::new(read));
        }
    }
}
