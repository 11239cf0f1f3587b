//! A load run as its options and the poll say.

use crate::duration::longer_than_zero;
use crate::failure::Failure;
use crate::load::args::LoadArgs;
use crate::load::stages::MOST_HOURS;
use jiff::SignedDuration;
use vote_client::endpoint::Endpoint;
use vote_client::keys;
use vote_client::pacer::{Pace, Schedule};
use vote_client::plan::{Ballot, Plan};
use vote_client::proxy::Proxy;
use vote_client::route::Route;
use vote_client::target::Target;
use vote_client::tls::Authorities;
use vote_domain::{Poll, PollDefinition, Secret};

/// How long votes are sent where nobody says it.
const DURATION: SignedDuration = SignedDuration::from_secs(10);

/// The plan of a run in this poll.
///
/// # Errors
/// [`Failure::Usage`] where an option does not go with the poll, or the host is not found.
pub(super) async fn plan(args: &LoadArgs, url: &Target, poll: &Poll) -> Result<Plan, Failure> {
    let definition = &poll.definition;
    let channel = match &args.channel {
        Some(channel) => {
            check_channel(definition, channel.as_str())?;
            Some(channel.as_str())
        }
        None => default_channel(definition),
    };
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

/// The channel that votes are to name where nobody says one: none, unless the one that they would be taken for takes no
/// votes and another one does.
fn default_channel(definition: &PollDefinition) -> Option<&str> {
    let open = definition.open_channel()?;
    let first = definition.channels().first()?;
    (first.id != open.id).then_some(open.id.as_str())
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

/// How votes get there, where that is no matter of course: whoever has a proxy in the environment may not think of it,
/// and whoever gives one may not think of `NO_PROXY`.
pub(super) fn through(args: &LoadArgs, url: &Target, plan: &Plan) -> String {
    if let Some(route) = &plan.endpoint.route {
        return format!(" through the proxy {}", route.proxy());
    }
    let is_given = args
        .proxy
        .as_ref()
        .is_some_and(|text| !text.expose().is_empty());
    if is_given && Proxy::is_excepted(url, variable) {
        " directly, without --proxy, since NO_PROXY excepts the host".to_owned()
    } else {
        String::new()
    }
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
            let duration = args.duration.unwrap_or(DURATION);
            if duration > SignedDuration::from_hours(MOST_HOURS) {
                return Err(Failure::usage(format!(
                    "--duration: must be at most {MOST_HOURS}h, is {duration:#}"
                )));
            }
            let duration = longer_than_zero("--duration", duration)?;
            let votes = duration.as_nanos() * u128::from(rate) / 1_000_000_000;
            u64::try_from(votes).unwrap_or(u64::MAX).max(1)
        }
    };
    Ok(Pace { rate, votes }.into())
}

#[cfg(test)]
mod tests {
    use super::default_channel;
    use crate::built_in::DEMO_FILE;
    use vote_domain::PollDefinition;

    #[test]
    fn votes_name_a_channel_by_themselves_only_where_the_first_takes_none() {
        let (head, _) = DEMO_FILE.split_once("channels:").expect("it has channels");
        for (channels, named) in [
            (["open", "open"], None),
            (["open", "voter"], None),
            (["proof_of_work", "open"], Some("c1")),
            (["voter", "proof_of_work"], None),
        ] {
            let mut file = format!("{head}channels:\n");
            for (index, eligibility) in channels.iter().enumerate() {
                file += &format!("  - {{ id: c{index}, weight: 1, eligibility: {eligibility} }}\n");
            }
            let definition = PollDefinition::parse_yaml(&file).expect("the poll file is right");
            assert_eq!(default_channel(&definition), named, "{channels:?}");
        }
    }
}
