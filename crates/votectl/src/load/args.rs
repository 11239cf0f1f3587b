//! What `votectl load` takes.

use crate::duration;
use crate::load::limits::Limits;
use crate::load::merge::MergeArgs;
use crate::load::stages::Stages;
use crate::service_url::ServiceUrl;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use std::convert::Infallible;
use std::path::PathBuf;
use vote_domain::{ChannelId, PollId, Secret};

/// What load to put on what.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "A run ends at the latest --timeout after its last vote was due, whatever the service does: what was \
                  not sent until then is not sent, and what was not answered is of unknown outcome. It stops where for \
                  two seconds every vote is answered as if there were no such poll, or none any more (404, 405, 410).\
                  \n\nCtrl-C and SIGTERM end it with a report: the first one sends nothing more, neither new votes nor \
                  any again, and waits for the votes in flight, at most for --timeout. A second one waits for nothing \
                  any more: votes in flight are of unknown outcome, and so is a tally that can't be read at once."
)]
pub struct LoadArgs {
    /// What else than sending
    #[command(subcommand)]
    pub(super) command: Option<LoadCommand>,

    /// The ingest service; where it is https://, the authorities of this machine are trusted, or those in the file that
    /// SSL_CERT_FILE names
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: ServiceUrl,

    /// Trust the authorities in this file (PEM) as well
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,

    /// The HTTP proxy to go through, http://[user[:password]@]host[:port], an empty one for none; if left out, what
    /// http_proxy says for http://, HTTPS_PROXY for https://, or ALL_PROXY. Hosts in NO_PROXY are excepted. All as with curl
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub(super) proxy: Option<Secret>,

    /// The poll to vote in; may be left out while exactly one rehearsal takes votes. A live poll must be named
    #[arg(long, value_parser = PollId::parse)]
    pub(super) poll: Option<PollId>,

    /// The channel to vote through; if left out, the poll's first that takes votes
    #[arg(long, value_parser = ChannelId::parse)]
    pub(super) channel: Option<ChannelId>,

    /// Votes per second, sent at even steps whether or not earlier ones have been answered
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: u32,

    /// How long, for example 30s or 5m [default: 10s]
    #[arg(long, conflicts_with = "votes", value_parser = duration::parse)]
    pub(super) duration: Option<SignedDuration>,

    /// How many votes, instead of a duration
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) votes: Option<u64>,

    /// Rates one after the other, each held for its time (steps, no ramps), for example 1000:30s,20000:2m
    #[arg(long, value_name = "RATE:DURATION,…", conflicts_with_all = ["rate", "duration", "votes"])]
    pub(super) stages: Option<Stages>,

    /// Also write what this generator has seen to a new file, for `load merge`
    #[arg(long, value_name = "FILE")]
    pub(super) part: Option<PathBuf>,

    /// What the run must keep to
    #[command(flatten)]
    pub(super) limits: Limits,

    /// How many votes may be in flight at once; a vote that has to wait for a connection has waited already
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub(super) connections: u16,

    /// Threads that send
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) threads: u16,

    /// Give every vote an idempotency key, so that it can be sent again until its outcome is known (the default)
    #[arg(long, overrides_with = "no_keys")]
    pub(super) keys: bool,

    /// Send votes without a key; one whose answer is lost stays unknown
    #[arg(long, overrides_with = "keys")]
    pub(super) no_keys: bool,

    /// How often a vote is sent at most, while it is refused for the moment or its outcome is unknown; never for longer
    /// than 60 s
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) attempts: u32,

    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    pub(super) timeout: SignedDuration,

    /// Another seed votes for another sequence of candidates; the same one repeats it
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

/// Takes any text: an error of the command line would show it, and a password may be in it.
fn proxy(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// What else than sending.
#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Join the parts of several generators, and reconcile their sum with the tally
    Merge(MergeArgs),
}
