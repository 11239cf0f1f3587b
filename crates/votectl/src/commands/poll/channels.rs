//! What production is warned of in a poll's channels.

use vote_domain::{Eligibility, PollDefinition};

/// Where the first channel takes no vote yet and another one does: votes that name no channel use the first, and all of
/// them would be refused. `can_change` is whether the channels can be put in another order.
pub(super) fn remark(definition: &PollDefinition, can_change: bool) -> Option<String> {
    let first = definition.channels().first()?;
    let open = definition.open_channel()?;
    let why = if !first.eligibility.can_be_checked() {
        "which can't be checked yet"
    } else if first.eligibility == Eligibility::Gateway {
        "which takes votes by gateways alone"
    } else {
        return None;
    };
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
        "poll {}: its first channel, {}, asks for {}, {why}. Votes that name no channel use the \
         first one, and are refused (403). {way_out}",
        definition.id(),
        first.id,
        first.eligibility
    ))
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
    fn a_first_channel_that_takes_no_vote_is_named_with_what_to_do() {
        let before = said(&["[voter, proof_of_work]", "open"], true).expect("a remark");
        for part in [
            "first channel, c0, asks for voter_and_proof_of_work",
            "Votes that name no channel use the first one",
            "Put c1 (eligibility open) first",
        ] {
            assert!(before.contains(part), "{before}");
        }
        let gateways = said(&["gateway", "open"], true).expect("a remark");
        assert!(gateways.contains("asks for gateway, which takes votes by gateways alone"));
        let after = said(&["[voter, proof_of_work]", "open"], false).expect("a remark");
        assert!(after.contains("have every client name c1"), "{after}");
        assert_eq!(said(&["open", "[voter, proof_of_work]"], true), None);
        assert_eq!(said(&["proof_of_work", "open"], true), None);
        assert_eq!(said(&["voter", "open"], true), None);
        // It can't be opened at all, which is said already.
        assert_eq!(said(&["[voter, proof_of_work]"], true), None);
    }
}
