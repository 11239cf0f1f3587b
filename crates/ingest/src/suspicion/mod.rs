//! Which votes are set aside as suspect: recorded once and answered as all others are, and in no figure until an operator has
//! released them.

mod metrics;
mod score;
mod signals;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use vote_domain::QuarantineReason;
use vote_http::{BoxError, Context, SentHeader};
use vote_limits::{DenyList, Sketch, network};
use vote_runtime::settings::SuspicionSettings;

use self::metrics::SuspicionMetrics;
use self::score::Points;
pub(crate) use self::score::Signs;
use crate::reread::reread;

/// Seconds after which what prefixes have sent, and how keys began, weighs half.
const PERIOD_S: i64 = 60;

/// What a request says of a vote beside the vote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) client: Option<IpAddr>,
    /// Whether that address is of very many people.
    pub(crate) is_carriers: bool,
    pub(crate) user_agent: SentHeader<'a>,
    pub(crate) key: SentHeader<'a>,
    pub(crate) received_at: Timestamp,
}

/// Judges votes.
pub(crate) struct Suspicion {
    /// `None` where nothing is ever set aside.
    points: Option<Points>,
    settings: SuspicionSettings,
    /// How far the clock of who makes tokens may be off.
    token_skew: Duration,
    denied: Arc<ArcSwap<DenyList>>,
    prefixes: Sketch,
    keys: Sketch,
    metrics: SuspicionMetrics,
}

impl Suspicion {
    /// As the settings say. The list of those that are denied is read anew from here on, until the service stops.
    ///
    /// # Errors
    /// The file can't be read, or is wrong.
    pub(crate) fn start(context: &mut Context) -> Result<Self, BoxError> {
        let metrics = SuspicionMetrics::register(&mut context.metrics);
        let all = &context.settings;
        let settings = all.suspicion.clone();
        let denied = Arc::new(ArcSwap::from_pointee(DenyList::default()));
        if let Some(file) = &settings.deny_list_file {
            let list = DenyList::read(file);
            let list = list.map_err(|error| {
                format!("suspicion.deny_list_file: {}: {error}", file.display())
            })?;
            metrics.has_list(&list);
            denied.store(Arc::new(list));
            let (file, denied, metrics) = (file.clone(), Arc::clone(&denied), metrics.clone());
            let watching = reread(
                "suspicion.deny_list_file is not taken: what was read before stays",
                move || DenyList::read(&file),
                move |read| match read {
                    Ok(list) => take(list, &denied, &metrics),
                    Err(_) => metrics.refuses_file(),
                },
            );
            let stopped = context.lifecycle.stopped();
            tokio::spawn(stopped.run_until_cancelled_owned(watching));
        }
        Ok(Self {
            points: (settings.threshold > 0).then(|| points(&settings)),
            token_skew: all.voters.clock_skew,
            settings,
            denied,
            prefixes: Sketch::default(),
            keys: Sketch::default(),
            metrics,
        })
    }

    /// Notes how long a proof has taken that was verified.
    pub(crate) fn note_proof(&self, signs: &Signs, taken: SignedDuration, cost: u32) {
        if self.counts(QuarantineReason::FastProof)
            && signals::is_too_fast(taken, cost, self.settings.fast_proof)
        {
            signs.note(QuarantineReason::FastProof);
        }
    }

    /// Notes when a voter's token was made that was verified.
    pub(crate) fn note_token(&self, signs: &Signs, issued_at: Option<i64>, received_at: Timestamp) {
        let oldest = self.settings.token_age;
        if self.counts(QuarantineReason::TokenAge)
            && signals::is_odd_age(issued_at, received_at, oldest, self.token_skew)
        {
            signs.note(QuarantineReason::TokenAge);
        }
    }

    /// For what reason a vote is set aside, if it is. Its prefix and its key are counted. Where nothing ever is, `sent` is not asked.
    pub(crate) fn judge<'a>(
        &self,
        signs: &Signs,
        sent: impl FnOnce() -> Sent<'a>,
    ) -> Option<QuarantineReason> {
        let points = self.points.as_ref()?;
        let sent = &sent();
        let is_suspect = |signal| match signal {
            QuarantineReason::DenyList => {
                let denied = self.denied.load();
                sent.client.is_some_and(|client| denied.has(client))
            }
            QuarantineReason::ClientFields => !signals::is_plausible(sent.user_agent),
            QuarantineReason::PrefixShare => self.is_beyond_its_share(sent),
            QuarantineReason::KeyPattern => self.is_of_a_pattern(sent),
            // Noted where the vote was read.
            QuarantineReason::FastProof | QuarantineReason::TokenAge => false,
        };
        let counting = QuarantineReason::ALL.iter().copied();
        for signal in counting.filter(|signal| points.counts(*signal)) {
            if is_suspect(signal) {
                signs.note(signal);
            }
        }
        points.verdict(signs)
    }

    /// Counts a vote that was accepted and set aside.
    pub(crate) fn quarantined(&self, reason: QuarantineReason) {
        self.metrics.quarantined(reason);
    }

    fn counts(&self, signal: QuarantineReason) -> bool {
        self.points.is_some_and(|points| points.counts(signal))
    }

    fn is_beyond_its_share(&self, sent: &Sent<'_>) -> bool {
        let Some(client) = sent.client.filter(|_| !sent.is_carriers) else {
            return false;
        };
        let prefix = network(client.to_canonical());
        let seen = self.prefixes.count(prefix, period(sent.received_at));
        let share = u64::from(seen.this) * 100;
        seen.this >= self.settings.prefix_share_votes
            && share >= u64::from(self.settings.prefix_share_percent) * seen.all
    }

    fn is_of_a_pattern(&self, sent: &Sent<'_>) -> bool {
        let Some(beginning) = signals::beginning(sent.key) else {
            return false;
        };
        let seen = self.keys.count(beginning, period(sent.received_at));
        seen.this >= self.settings.key_pattern_votes
    }
}

/// Takes a list that was read again.
fn take(list: DenyList, denied: &ArcSwap<DenyList>, metrics: &SuspicionMetrics) {
    metrics.has_list(&list);
    if **denied.load() != list {
        let prefixes = list.prefixes();
        tracing::info!(prefixes, "suspicion.deny_list_file was read anew");
        denied.store(Arc::new(list));
    }
}

fn period(at: Timestamp) -> u64 {
    u64::try_from(at.as_second().div_euclid(PERIOD_S)).unwrap_or(0)
}

/// In the order of all reasons.
fn points(settings: &SuspicionSettings) -> Points {
    let of = |reason| match reason {
        QuarantineReason::DenyList => settings.deny_list_points,
        QuarantineReason::FastProof => settings.fast_proof_points,
        QuarantineReason::TokenAge => settings.token_age_points,
        QuarantineReason::ClientFields => settings.client_fields_points,
        QuarantineReason::PrefixShare => settings.prefix_share_points,
        QuarantineReason::KeyPattern => settings.key_pattern_points,
    };
    Points {
        of: std::array::from_fn(|place| of(QuarantineReason::ALL[place])),
        threshold: settings.threshold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicion(change: impl FnOnce(&mut SuspicionSettings)) -> Suspicion {
        let none = std::iter::empty();
        let settings = vote_runtime::Settings::load(vote_runtime::ServiceName::Ingest, None, none);
        let mut settings = settings.expect("the defaults are right").suspicion;
        settings.threshold = 100;
        settings.deny_list_points = 100;
        settings.client_fields_points = 50;
        settings.prefix_share_points = 100;
        settings.key_pattern_points = 100;
        change(&mut settings);
        let denied = DenyList::parse("203.0.113.0/24").expect("a list");
        Suspicion {
            points: (settings.threshold > 0).then(|| points(&settings)),
            settings,
            token_skew: Duration::from_secs(60),
            denied: Arc::new(ArcSwap::from_pointee(denied)),
            prefixes: Sketch::default(),
            keys: Sketch::default(),
            metrics: SuspicionMetrics::register(
                &mut prometheus_client::registry::Registry::default(),
            ),
        }
    }

    fn sent(client: &str) -> Sent<'_> {
        Sent {
            client: client.parse().ok(),
            is_carriers: false,
            user_agent: SentHeader::Once("Mozilla/5.0"),
            key: SentHeader::Missing,
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn nothing_is_set_aside_unless_there_is_a_threshold() {
        let suspicion = suspicion(|settings| settings.threshold = 0);
        assert_eq!(
            suspicion.judge(&Signs::default(), || sent("203.0.113.9")),
            None
        );
    }

    #[test]
    fn each_signal_of_a_request_counts_with_its_points() {
        let suspicion = suspicion(|_| {});
        let judge = |sent: Sent<'_>| suspicion.judge(&Signs::default(), || sent);
        assert_eq!(judge(sent("203.0.113.9")), Some(QuarantineReason::DenyList));
        assert_eq!(judge(sent("203.0.114.9")), None);
        let silent = Sent {
            user_agent: SentHeader::Missing,
            ..sent("203.0.114.9")
        };
        assert_eq!(judge(silent), None, "50 points");
        let signs = Signs::default();
        signs.note(QuarantineReason::FastProof);
        assert_eq!(
            suspicion.judge(&signs, || silent),
            Some(QuarantineReason::FastProof)
        );
    }

    #[test]
    fn a_prefix_is_suspect_from_its_share_on_and_a_carriers_never() {
        let suspicion = suspicion(|settings| {
            settings.prefix_share_votes = 100;
            settings.prefix_share_percent = 50;
        });
        let judge = |sent: Sent<'_>| suspicion.judge(&Signs::default(), || sent);
        for n in 0..100 {
            assert_eq!(judge(sent(&format!("198.51.{n}.1"))), None);
        }
        let first = (1..=200).find(|_| judge(sent("192.0.2.7")).is_some());
        assert_eq!(first, Some(100), "as many as all others, and enough");
        let carriers = Sent {
            is_carriers: true,
            ..sent("192.0.2.7")
        };
        assert_eq!(judge(carriers), None);
    }

    #[test]
    fn keys_that_were_made_in_turn_are_suspect_once_there_are_enough() {
        let suspicion = suspicion(|settings| settings.key_pattern_votes = 20);
        let judge = |key: &str| {
            let sent = Sent {
                key: SentHeader::Once(key),
                ..sent("192.0.2.7")
            };
            suspicion.judge(&Signs::default(), || sent)
        };
        let first = (1..100).find(|n| judge(&format!("bot-{n:06}")).is_some());
        assert_eq!(first, Some(20));
        for n in 0..100_u64 {
            let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            assert_eq!(judge(&format!("{random:016x}")), None);
        }
    }
}
