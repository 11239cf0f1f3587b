//! What counts of the votes that were recorded: all but those that are annulled.

use crate::figures::minute::Minute;
use crate::figures::series::MinuteSeries;
use crate::figures::tally::{Tally, TallyOverflow};
use crate::poll::Poll;

impl Poll {
    /// The annulled votes of one minute, each once however many annulments it is in; `None` where there are none.
    #[must_use]
    pub fn annulled_of(&self, minute: Minute, votes: &Tally) -> Option<Tally> {
        let mut annulled = Tally::new(votes.channels(), votes.candidates());
        let (channels, candidates) = (self.definition.channels(), self.definition.candidates());
        let annulments = self.standing_annulments().map(|one| &one.votes);
        let of_minute: Vec<_> = annulments.filter(|one| one.has_minute(minute)).collect();
        if of_minute.is_empty() {
            return None;
        }
        for (channel_index, channel) in channels.iter().enumerate() {
            for (candidate_index, candidate) in candidates.iter().enumerate() {
                let is_annulled = of_minute.iter().any(|one| {
                    one.channel.as_ref().is_none_or(|id| *id == channel.id)
                        && one.candidate.as_ref().is_none_or(|id| *id == candidate.id)
                });
                let votes = votes.get(channel_index, candidate_index);
                if is_annulled {
                    annulled.add(channel_index, candidate_index, votes).ok()?;
                }
            }
        }
        (!annulled.is_zero()).then_some(annulled)
    }

    /// The annulled votes of these minutes, by channel and candidate.
    ///
    /// # Errors
    /// Where a sum overflows.
    pub fn annulled(&self, minutes: &MinuteSeries) -> Result<Tally, TallyOverflow> {
        let mut annulled = Tally::empty(&self.definition);
        if !self.has_annulments() {
            return Ok(annulled);
        }
        for (minute, votes) in minutes.iter() {
            if let Some(votes) = self.annulled_of(minute, votes) {
                annulled.merge(&votes)?;
            }
        }
        Ok(annulled)
    }

    /// The minutes without the votes that are annulled.
    #[must_use]
    pub fn net_minutes(&self, minutes: &MinuteSeries) -> MinuteSeries {
        let mut net = minutes.clone();
        if !self.has_annulments() {
            return net;
        }
        for (minute, votes) in minutes.iter() {
            if let Some(annulled) = self.annulled_of(minute, votes)
                && let Some(left) = votes.clone().without(&annulled)
            {
                net.settle(minute, left);
            }
        }
        net
    }
}
