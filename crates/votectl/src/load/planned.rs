//! A load run as its options and the poll say.

use crate::duration::longer_than_zero;
use crate::failure::Failure;
use crate::load::args::LoadArgs;
use jiff::SignedDuration;
use vote_client::endpoint::Endpoint;
use vote_client::keys;
use vote_client::pacer::{Pace, Schedule};
use vote_client::plan::{Ballot, Plan};
use vote_client::proxy::Proxy;
use vote_client::route::Route;
use vote_client::target::Target;
use vote_client::tls::Authorities;
use vote_domain::{ChannelId, Poll, PollDefinition, Secret};

/// How long votes are sent where nobody says it.
const DURATION: SignedDuration = SignedDuration::from_secs(10);

/// The plan of a run in this poll.
///
/// # Errors
/// [`Failure::Usage`] where an option does not go with the poll, or the host is not found.
pub(super) async fn plan(args: &LoadArgs, url: &Target, poll: &Poll) -> Result<Plan, Failure> {
    let definition = &poll.definition;
    let channel = args.channel.as_ref().map(ChannelId::as_str);
    if let Some(channel) = channel {
        check_channel(definition, channel)?;
    }
    let timeout = longer_than_zero("--timeout", args.timeout)?;
    let pace = pace(args)?;
    let endpoint = endpoint(args, url).await?;
    let keys = match args.no_keys {
        true => None,
        false => Some(keys::fresh("load").map_err(anyhow::Error::from)?),
    };
    let candidates: Vec<&str> = poll
        .remaining_candidates()
        .map(|(_, candidate)| candidate.id.as_str())
        .collect();
    let ballot = Ballot {
        target: url,
        poll: definition.id().as_str(),
        channel,
        candidates: &candidates,
    };
    let mut plan = Plan::new(endpoint, ballot, keys);
    plan.pace = pace;
    plan.connections = usize::from(args.connections);
    plan.threads = usize::from(args.threads);
    plan.attempts = args.attempts;
    plan.timeout = timeout;
    plan.seed = args.seed;
    Ok(plan)
}

fn check_channel(definition: &PollDefinition, channel: &str) -> Result<(), Failure> {
    if definition.channel_index(channel).is_some() {
        return Ok(());
    }
    let there: Vec<&str> = definition
        .channels()
        .iter()
        .map(|channel| channel.id.as_str())
        .collect();
    let id = definition.id();
    Err(Failure::usage(format!(
        "--channel: poll `{id}` has no channel `{channel}`; it has: {}",
        there.join(", ")
    )))
}

/// Where to send to. Through a proxy it is that one's matter to find the host.
async fn endpoint(args: &LoadArgs, url: &Target) -> Result<Endpoint, Failure> {
    let authorities = match &args.ca_file {
        None => Authorities::default(),
        Some(file) => Authorities::read(file).map_err(|error| {
            Failure::usage(format!("--ca-file: can't use {}: {error}", file.display()))
        })?,
    };
    let tls = url
        .tls(&authorities)
        .map_err(|error| Failure::usage(format!("--url: no TLS to {url}: {error}")))?;
    let given = args.proxy.as_ref().map(Secret::expose);
    let proxy = Proxy::choose(url, given, variable).map_err(Failure::usage)?;
    let (found, whose) = match &proxy {
        None => (
            url.resolve().await,
            format!("--url: can't find the host of {url}"),
        ),
        Some(proxy) => (
            proxy.resolve().await,
            format!("can't find the host of the proxy {proxy}"),
        ),
    };
    let address = found.map_err(|error| Failure::usage(format!("{whose}: {error}")))?;
    let route = proxy.map(|proxy| Route::new(proxy, url));
    Ok(Endpoint {
        address,
        tls,
        route,
    })
}

/// A variable of every program that goes through a proxy.
#[expect(
    clippy::disallowed_methods,
    reason = "they are curl's, and no settings of ours"
)]
fn variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok()
}

/// The stages, or so many votes as are named, or as the rate gives in the duration.
fn pace(args: &LoadArgs) -> Result<Schedule, Failure> {
    if let Some(stages) = &args.stages {
        return Ok(stages.0.clone());
    }
    let rate = args.rate;
    let votes = match args.votes {
        Some(votes) => votes,
        None => {
            let duration = longer_than_zero("--duration", args.duration.unwrap_or(DURATION))?;
            let votes = duration.as_nanos() * u128::from(rate) / 1_000_000_000;
            u64::try_from(votes).unwrap_or(u64::MAX).max(1)
        }
    };
    Ok(Pace { rate, votes }.into())
}
