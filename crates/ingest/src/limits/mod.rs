//! How often votes may come from an address: asked before anything of a vote is read.

mod metrics;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use vote_http::{BoxError, Context, Problem, RateFields};
use vote_limits::{Carriers, Kind, Limited, Limits};

use self::metrics::LimitMetrics;

/// The limits of addresses, if there are any; cheap to clone.
#[derive(Clone)]
pub(crate) struct AddressLimits {
    limits: Option<Arc<Limits>>,
    metrics: LimitMetrics,
}

impl AddressLimits {
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
        let limits = Arc::new(Limits::new(config, carriers, Instant::now()));
        metrics.has_table(&limits);
        let watch = watch::Watch {
            limits: Arc::clone(&limits),
            metrics: metrics.clone(),
            file,
            rates: config.rates,
        };
        let stopped = context.lifecycle.stopped();
        tokio::spawn(stopped.run_until_cancelled_owned(watch.run()));
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
        let verdict = limits.admit(client, Instant::now());
        if verdict.address_untracked {
            self.metrics.untracked(Kind::Address);
        }
        if verdict.prefix_untracked {
            self.metrics.untracked(Kind::Prefix);
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

fn problem(limited: &Limited) -> Problem {
    Problem::rate_limited(RateFields {
        policy: limited.policy(),
        rate: limited.rate(),
        retry_after_s: limited.retry_after_s,
    })
}
