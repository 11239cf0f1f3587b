//! How often votes may come: from an address, which is asked before anything of a vote is read, and of a voter, which is asked once
//! the token has been verified.

mod metrics;
mod places;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use vote_http::{BoxError, Context, Problem, RateFields};
use vote_limits::{Carriers, Kind, Limited, Limits, Verdict};

use self::metrics::LimitMetrics;
use crate::reread::reread;

/// The limits of addresses and of voters, if there are any; cheap to clone.
#[derive(Clone)]
pub(crate) struct RateLimits {
    limits: Option<Arc<Limits>>,
    metrics: LimitMetrics,
}

impl RateLimits {
    /// As the settings say. Carriers are read anew from here on, until the service stops.
    ///
    /// # Errors
    /// The file of carriers can't be read, or is wrong.
    pub(crate) fn start(context: &mut Context) -> Result<Self, BoxError> {
        let metrics = LimitMetrics::register(&mut context.metrics);
        let settings = &context.settings.limits;
        let Some(config) = settings.config() else {
            return Ok(Self {
                limits: None,
                metrics,
            });
        };
        let file = settings.carriers_file.clone();
        let carriers = match &file {
            Some(path) => Carriers::read(path, &config.rates)
                .map_err(|error| format!("limits.carriers_file: {}: {error}", path.display()))?,
            None => Carriers::default(),
        };
        metrics.has_carriers(&carriers);
        let rates = config.rates;
        let limits = Arc::new(Limits::new(config, carriers, Instant::now()));
        metrics.has_table(&limits);
        let counting = places::count_places(Arc::clone(&limits), metrics.clone());
        let stopped = context.lifecycle.stopped();
        tokio::spawn(stopped.run_until_cancelled_owned(counting));
        if let Some(file) = file {
            let (limits, metrics) = (Arc::clone(&limits), metrics.clone());
            let watching = reread(
                "limits.carriers_file is not taken: what was read before stays",
                move || Carriers::read(&file, &rates),
                move |read| match read {
                    Ok(carriers) => take(carriers, &limits, &metrics),
                    Err(_) => metrics.refuses_file(),
                },
            );
            let stopped = context.lifecycle.stopped();
            tokio::spawn(stopped.run_until_cancelled_owned(watching));
        }
        Ok(Self {
            limits: Some(limits),
            metrics,
        })
    }

    /// Whether an address is a carrier's: of very many people.
    pub(crate) fn is_carriers(&self, client: Option<IpAddr>) -> bool {
        let limits = self.limits.as_ref().zip(client);
        limits.is_some_and(|(limits, client)| limits.is_carriers(client))
    }

    /// Asks the limits of a vote's client, and counts the vote.
    ///
    /// # Errors
    /// `rate-limited`, with the limit that it has reached.
    pub(crate) fn admit(&self, client: Option<IpAddr>) -> Result<(), Problem> {
        // A connection that has no address any more has ended.
        let (Some(limits), Some(client)) = (&self.limits, client) else {
            return Ok(());
        };
        self.judge(limits.admit(client, Instant::now()))
    }

    /// Asks the limits of the voter whom a token names, and counts the vote. It is the voter's in whichever poll, from wherever.
    ///
    /// # Errors
    /// `rate-limited`, with the limit that is reached.
    pub(crate) fn admit_voter(&self, subject: &str) -> Result<(), Problem> {
        let Some(limits) = &self.limits else {
            return Ok(());
        };
        self.judge(limits.admit_voter(subject.as_bytes(), Instant::now()))
    }

    fn judge(&self, verdict: Verdict) -> Result<(), Problem> {
        if verdict.address_untracked {
            self.metrics.untracked(Kind::Address);
        }
        if verdict.prefix_untracked {
            self.metrics.untracked(Kind::Prefix);
        }
        if verdict.voter_untracked {
            self.metrics.untracked(Kind::Voter);
        }
        match verdict.limited {
            None => Ok(()),
            Some(limited) => {
                self.metrics.limited(&limited);
                Err(problem(&limited))
            }
        }
    }
}

/// Takes carriers that were read again.
fn take(carriers: Carriers, limits: &Limits, metrics: &LimitMetrics) {
    metrics.has_carriers(&carriers);
    if !limits.has_carriers(&carriers) {
        let prefixes = carriers.prefixes();
        tracing::info!(prefixes, "limits.carriers_file was read anew");
        limits.set_carriers(carriers);
    }
}

fn problem(limited: &Limited) -> Problem {
    let problem = Problem::rate_limited(RateFields {
        policy: limited.policy(),
        rate: limited.rate(),
        retry_after_s: limited.retry_after_s,
    });
    match limited.kind {
        Kind::Address | Kind::Prefix => problem,
        Kind::Voter => problem.detail(
            "Votes of this voter come faster than is allowed; this request recorded nothing. Try again after Retry-After, with the \
             same Idempotency-Key.",
        ),
    }
}
