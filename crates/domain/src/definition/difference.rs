//! What a newer definition changes, and what of it is allowed once the poll has opened.

use std::fmt;

use serde::Serialize;

use crate::definition::poll_definition::{Candidate, Channel, PollDefinition};
use crate::wire_time;

impl PollDefinition {
    /// All that differs in another definition, field by field; empty where they are equal.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Differences(Vec::new());
        found.compare("id", &self.id, &other.id);
        found.compare("title", &self.title, &other.title);
        found.compare("direction", &self.direction, &other.direction);
        found.compare("kind", &self.kind, &other.kind);
        let time = |at| wire_time::format(at);
        found.compare("opens_at", &time(self.opens_at), &time(other.opens_at));
        found.compare("closes_at", &time(self.closes_at), &time(other.closes_at));
        found.compare("timezone", &self.timezone, &other.timezone);
        found.compare("visibility", &self.visibility, &other.visibility);
        found.compare("release", &self.release_rule(), &other.release_rule());
        found.compare("language", &self.language(), &other.language());
        found.compare("shards", &self.shards, &other.shards);
        found.candidates(self, other);
        found.channels(self, other);
        found.0
    }

    /// The first change in a newer definition that isn't allowed once the poll has opened: any but to its
    /// title, its visibility, its release rule, its language, its candidates' names, pictures and colours, and what its channels
    /// ask for, as long as it is more than before; and, while it takes votes, the first limit of a channel that has none.
    /// (`closes_at` is changed by extending or closing the poll, which leaves a trail.)
    #[must_use]
    pub(crate) fn frozen_difference(&self, newer: &Self, takes_votes: bool) -> Option<Difference> {
        self.differences(newer).into_iter().find(|difference| {
            let field = difference.field.as_str();
            let is_shown = matches!(field, "title" | "visibility" | "release" | "language");
            let may_change = is_shown
                || field.starts_with("candidates[")
                || self.is_harder_in(newer, field)
                || takes_votes && self.is_first_limit_in(newer, field);
            !may_change
        })
    }

    /// Whether the field is what a channel asks for, and the newer definition asks for more.
    fn is_harder_in(&self, newer: &Self, field: &str) -> bool {
        self.of_channel(newer, field, |old, new, name| match name {
            "eligibility" => new.eligibility.is_harder_than(old.eligibility),
            // What it costs where nobody is asked for it may be anything.
            "proof_cost" => {
                !old.eligibility.asks_for_proof()
                    || new.least_proof_cost() >= old.least_proof_cost()
            }
            _ => false,
        })
    }

    /// Whether the field is of the first limit that a channel gets: one that asks for voter tokens, before or from now on. A limit
    /// that there is stays what it is, and gateways that name no voter would be refused from one moment to the next.
    fn is_first_limit_in(&self, newer: &Self, field: &str) -> bool {
        self.of_channel(newer, field, |old, new, name| {
            matches!(name, "votes_per_voter" | "per") && Self::gets_first_limit(old, new)
        })
    }

    fn gets_first_limit(old: &Channel, new: &Channel) -> bool {
        let comes = old.votes_per_voter.is_none() && new.votes_per_voter.is_some();
        comes && new.eligibility.asks_for_voter()
    }

    /// Whether the field is one of a channel that both have, and that holds of it before and after, and of the field's name there.
    fn of_channel(
        &self,
        newer: &Self,
        field: &str,
        holds: impl Fn(&Channel, &Channel, &str) -> bool,
    ) -> bool {
        let mut channels = newer.channels.iter().enumerate();
        channels.any(|(i, new)| {
            let name = field.strip_prefix(&format!("channels[{i}]."));
            let old = self.channel_index(new.id.as_str());
            name.zip(old)
                .is_some_and(|(name, old)| holds(&self.channels[old], new, name))
        })
    }

    /// The channels of a newer definition that have none of their voters' votes counted here, and a limit there.
    #[must_use]
    pub fn first_limits<'n>(&self, newer: &'n Self) -> Vec<&'n Channel> {
        let channels = newer.channels.iter();
        let first = channels.filter(|new| {
            let old = self.channel_index(new.id.as_str());
            old.is_some_and(|old| Self::gets_first_limit(&self.channels[old], new))
        });
        first.collect()
    }
}

/// One field in which two definitions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, derive_more::Display)]
#[display("{field} from {from} to {to}")]
pub struct Difference {
    /// Which field, for example `candidates[1].name`; the index is that in the newer definition.
    pub field: String,
    /// What it was; `-` where it was absent.
    pub from: String,
    /// What it is to be; `-` where it is absent.
    pub to: String,
}

impl Difference {
    /// Whether it may still be made once the poll is sealed: it says who sees the result, and nothing of it.
    #[must_use]
    pub fn may_follow_sealing(&self) -> bool {
        matches!(self.field.as_str(), "visibility" | "release")
    }
}

struct Differences(Vec<Difference>);

impl Differences {
    fn compare(
        &mut self,
        field: impl Into<String>,
        from: &dyn fmt::Display,
        to: &dyn fmt::Display,
    ) {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            let field = field.into();
            self.0.push(Difference { field, from, to });
        }
    }

    fn candidates(&mut self, from: &PollDefinition, to: &PollDefinition) {
        let ids = |list: &[Candidate]| join(list.iter().map(|candidate| candidate.id.as_str()));
        self.compare("candidates", &ids(&from.candidates), &ids(&to.candidates));
        for (i, new) in to.candidates.iter().enumerate() {
            let Some(old) = from.candidate_index(new.id.as_str()) else {
                continue;
            };
            let old = &from.candidates[old];
            let field = |name| format!("candidates[{i}].{name}");
            self.compare(field("name"), &old.name, &new.name);
            let picture = |candidate: &Candidate| or_absent(&candidate.image_url);
            self.compare(field("image_url"), &picture(old), &picture(new));
            let color = |candidate: &Candidate| or_absent(&candidate.color);
            self.compare(field("color"), &color(old), &color(new));
        }
    }

    fn channels(&mut self, from: &PollDefinition, to: &PollDefinition) {
        let ids = |list: &[Channel]| join(list.iter().map(|channel| channel.id.as_str()));
        self.compare("channels", &ids(&from.channels), &ids(&to.channels));
        for (i, new) in to.channels.iter().enumerate() {
            let Some(old) = from.channel_index(new.id.as_str()) else {
                continue;
            };
            let old = &from.channels[old];
            let field = |name| format!("channels[{i}].{name}");
            self.compare(field("weight"), &old.weight, &new.weight);
            self.compare(field("eligibility"), &old.eligibility, &new.eligibility);
            let limit = |channel: &Channel| or_absent(&channel.votes_per_voter);
            self.compare(field("votes_per_voter"), &limit(old), &limit(new));
            self.compare(field("per"), &old.period(), &new.period());
            let cost = |channel: &Channel| or_absent(&channel.proof_cost);
            self.compare(field("proof_cost"), &cost(old), &cost(new));
        }
    }
}

/// How a value is shown that may be absent.
fn or_absent(value: &Option<impl fmt::Display>) -> String {
    value
        .as_ref()
        .map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Ids in one line.
pub(crate) fn join<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{PAREDAO, paredao};

    #[test]
    fn differences_name_each_field_and_both_values() {
        let changed = PAREDAO
            .replace("Paredão 1", "Paredão 2")
            .replace("weight: 30", "weight: 40")
            .replace("name: Bia", "name: Bia M., color: '#aabbcc'")
            .replace(", votes_per_voter: 1", "");
        let changed = PollDefinition::parse_yaml(&changed).expect("legal");
        let differences: Vec<String> = paredao()
            .differences(&changed)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            differences,
            [
                "title from Paredão 1 to Paredão 2",
                "candidates[1].name from Bia to Bia M.",
                "candidates[1].color from - to #aabbcc",
                "channels[0].weight from 30 to 40",
                "channels[1].votes_per_voter from 1 to -",
            ]
        );
        assert_eq!(paredao().differences(&paredao()), []);
        let frozen = paredao()
            .frozen_difference(&changed, true)
            .expect("weights are frozen");
        assert_eq!(frozen.field, "channels[0].weight");
    }

    #[test]
    fn once_opened_a_channel_may_ask_for_more_and_never_for_less() {
        let with = |torcida: &str| {
            let file = PAREDAO.replace(
                "weight: 30, eligibility: open",
                &format!("weight: 30, eligibility: {torcida}"),
            );
            PollDefinition::parse_yaml(&file).expect("legal")
        };
        let steps = [
            "open",
            "open, proof_cost: 5000",
            "proof_of_work, proof_cost: 5000",
            "proof_of_work, proof_cost: 20000",
            "voter, proof_cost: 20000",
            "[voter, proof_of_work], proof_cost: 20000",
            "voter_and_proof_of_work, proof_cost: 100000",
        ];
        for (n, from) in steps.iter().enumerate() {
            for (m, to) in steps.iter().enumerate() {
                let frozen = with(from).frozen_difference(&with(to), true);
                // The first two ask for the same.
                let asks_for_no_less = m >= n || (n, m) == (1, 0);
                assert_eq!(
                    frozen.is_none(),
                    asks_for_no_less,
                    "{from} to {to}: {frozen:?}"
                );
            }
        }
        let cheaper =
            with("proof_of_work").frozen_difference(&with("proof_of_work, proof_cost: 4999"), true);
        assert_eq!(cheaper.expect("it is less").field, "channels[0].proof_cost");
        let first = with("open").frozen_difference(&with("proof_of_work, proof_cost: 1000"), true);
        assert_eq!(first, None);
        let both = with("[proof_of_work, voter]");
        assert_eq!(both.differences(&with("voter_and_proof_of_work")), []);
        let said = with("open").differences(&both);
        assert_eq!(
            said[0].to_string(),
            "channels[0].eligibility from open to voter_and_proof_of_work"
        );
    }

    #[test]
    fn once_opened_only_what_is_shown_may_change() {
        let allowed = PAREDAO
            .replace("Paredão 1", "Paredão 2")
            .replace("visibility: public", "visibility: embargoed")
            .replace(
                "name: Bia",
                "name: Bia M., color: '#aabbcc', image_url: 'https://host/b.png'",
            );
        let allowed = PollDefinition::parse_yaml(&allowed).expect("legal");
        assert_eq!(paredao().differences(&allowed).len(), 5);
        assert_eq!(paredao().frozen_difference(&allowed, true), None);
        for (from, to, field) in [
            ("id: paredao-01", "id: paredao-02", "id"),
            ("direction: eliminate", "direction: save", "direction"),
            ("kind: live", "kind: rehearsal", "kind"),
            (
                "opens_at: 2026-11-24T00",
                "opens_at: 2026-11-24T01",
                "opens_at",
            ),
            (
                "closes_at: 2026-11-26T02",
                "closes_at: 2026-11-26T03",
                "closes_at",
            ),
            ("America/Sao_Paulo", "America/Manaus", "timezone"),
            ("shards: 1", "shards: 2", "shards"),
            ("id: bia", "id: caio", "candidates"),
            (
                "  - { id: ana, name: Ana }\n",
                "  - { id: ana, name: Ana }\n  - { id: caio, name: C }\n",
                "candidates",
            ),
            ("id: torcida", "id: geral", "channels"),
            ("weight: 70", "weight: 71", "channels[1].weight"),
            (
                "eligibility: voter, votes_per_voter: 1",
                "eligibility: open",
                "channels[1].eligibility",
            ),
            (
                "votes_per_voter: 1",
                "votes_per_voter: 2",
                "channels[1].votes_per_voter",
            ),
        ] {
            let newer = PollDefinition::parse_yaml(&PAREDAO.replace(from, to)).expect("legal");
            let difference = paredao().frozen_difference(&newer, true).expect(field);
            assert_eq!(difference.field, field);
        }
    }

    #[test]
    fn once_opened_a_channel_gets_its_first_limit_and_keeps_it() {
        let with = |torcida: &str| {
            let file = PAREDAO.replace(
                "weight: 30, eligibility: open",
                &format!("weight: 30, eligibility: {torcida}"),
            );
            PollDefinition::parse_yaml(&file).expect("legal")
        };
        for (from, to) in [
            ("open", "voter, votes_per_voter: 1"),
            ("open", "voter, votes_per_voter: 10, per: hour"),
            (
                "proof_of_work",
                "[voter, proof_of_work], votes_per_voter: 20, per: day",
            ),
            ("voter", "voter, votes_per_voter: 1"),
            (
                "voter, votes_per_voter: 1",
                "[voter, proof_of_work], votes_per_voter: 1",
            ),
        ] {
            let (old, new) = (with(from), with(to));
            assert_eq!(old.frozen_difference(&new, true), None, "{from} to {to}");
            let comes = !from.contains("votes_per_voter");
            assert_eq!(old.first_limits(&new).len(), usize::from(comes), "{to}");
            // Who repeats a vote after the end is looked for where the votes went.
            let over = old.frozen_difference(&new, false);
            let field = over.map(|difference| difference.field);
            let limit = comes.then(|| "channels[0].votes_per_voter".to_owned());
            assert_eq!(field, limit, "{from} to {to}");
        }
        for (from, to, field) in [
            ("voter, votes_per_voter: 2", "voter", "votes_per_voter"),
            (
                "voter, votes_per_voter: 2",
                "voter, votes_per_voter: 3",
                "votes_per_voter",
            ),
            (
                "voter, votes_per_voter: 2",
                "voter, votes_per_voter: 1",
                "votes_per_voter",
            ),
            (
                "voter, votes_per_voter: 2",
                "voter, votes_per_voter: 2, per: day",
                "per",
            ),
            (
                "voter, votes_per_voter: 2, per: day",
                "voter, votes_per_voter: 2",
                "per",
            ),
            (
                "voter, votes_per_voter: 2",
                "[voter, proof_of_work]",
                "votes_per_voter",
            ),
            ("gateway", "gateway, votes_per_voter: 2", "votes_per_voter"),
            ("voter", "open", "eligibility"),
        ] {
            let difference = with(from).frozen_difference(&with(to), true);
            let found = difference.map(|difference| difference.field);
            let field = format!("channels[0].{field}");
            assert_eq!(found, Some(field), "{from} to {to}");
        }
    }
}
