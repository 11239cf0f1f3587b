//! What production is warned of in a poll's channels.

use vote_domain::{Eligibility, LimitPeriod, Poll, PollDefinition};

/// Where the first channel is one of gateways and another one is open: votes that name no channel use the first, and all of
/// them would be refused. `can_change` is whether the channels can be put in another order.
pub(super) fn remark(definition: &PollDefinition, can_change: bool) -> Option<String> {
    let first = definition.channels().first()?;
    let open = definition.open_channel()?;
    if first.eligibility != Eligibility::Gateway {
        return None;
    }
    let way_out = if can_change {
        format!(
            "Put {} (eligibility open) first before the poll is opened",
            open.id
        )
    } else {
        format!(
            "The order can't be changed any more: have every client name {}",
            open.id
        )
    };
    Some(format!(
        "poll {}: its first channel, {}, takes votes by gateways alone. Votes that name no channel use the first one, and are \
         refused (403). {way_out}",
        definition.id(),
        first.id,
    ))
}

/// What it means that channels of an open poll get their first limit by its last change, which was made of revision `from`.
pub(super) fn first_limits(poll: &Poll, from: u64) -> Vec<String> {
    let Some(changed_at) = poll.log.last().map(|entry| entry.at) else {
        return Vec::new();
    };
    if poll.revision == from {
        return Vec::new();
    }
    let channels = poll.definition.channels().iter();
    let limited = channels.filter(|channel| poll.limited_since(&channel.id) == Some(changed_at));
    let limited = limited.filter_map(|channel| {
        let votes = channel.votes_per_voter?;
        let limit = match channel.period() {
            LimitPeriod::Poll => votes.to_string(),
            period => format!("{votes} per {period}"),
        };
        Some(format!(
            "poll {}: from now on a voter has {limit} by {}, for good. The votes that it has taken so far stay, and count against \
             nobody",
            poll.definition.id(),
            channel.id
        ))
    });
    limited.collect()
}

#[cfg(test)]
mod tests {
    use super::remark;
    use crate::built_in::DEMO_FILE;
    use vote_domain::PollDefinition;

    fn said(channels: &[&str], can_change: bool) -> Option<String> {
        let (head, _) = DEMO_FILE.split_once("channels:").expect("it has channels");
        let mut file = format!("{head}channels:\n");
        for (index, eligibility) in channels.iter().enumerate() {
            file += &format!("  - {{ id: c{index}, weight: 1, eligibility: {eligibility} }}\n");
        }
        let definition = PollDefinition::parse_yaml(&file).expect("the poll file is right");
        remark(&definition, can_change)
    }

    #[test]
    fn a_first_channel_of_gateways_is_named_with_what_to_do() {
        let before = said(&["gateway", "open"], true).expect("a remark");
        for part in [
            "its first channel, c0, takes votes by gateways alone",
            "Votes that name no channel use the first one",
            "Put c1 (eligibility open) first",
        ] {
            assert!(before.contains(part), "{before}");
        }
        let after = said(&["gateway", "open"], false).expect("a remark");
        assert!(after.contains("have every client name c1"), "{after}");
        assert_eq!(said(&["open", "gateway"], true), None);
        assert_eq!(said(&["proof_of_work", "open"], true), None);
        assert_eq!(said(&["voter", "open"], true), None);
        // Nobody can name another one.
        assert_eq!(said(&["gateway"], true), None);
    }
}
