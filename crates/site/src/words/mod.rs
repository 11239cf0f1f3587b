//! The words of the pages, in each language. A text in braces is filled in: `{name}`.

mod en;
mod es;
mod problems;
mod pt;

use vote_domain::{Direction, Language};

pub use self::problems::Advice;

/// Declares the texts, each with what it says, and a way to name them all for scripts.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub struct Words {
            /// What became of a vote that was not recorded, by the code of its problem.
            advice: fn(&str) -> Advice,
            $($(#[$doc])* pub $name: &'static str,)+
        }

        impl Words {
            /// Every text, by its name.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

words! {
    /// The language's tag (RFC 5646), for `lang`.
    tag,
    /// The language's name in itself.
    own_name,
    /// What the site is.
    site,
    /// Said of a poll that does not count.
    rehearsal,
    /// Link past what is before the content.
    skip,
    /// Link to the list of polls.
    all_polls,
    /// Names the links to other languages.
    languages,
    /// What a voter is asked.
    question_eliminate,
    /// The same where votes save.
    question_save,
    /// What a vote means.
    meaning_eliminate,
    /// The same where votes save.
    meaning_save,
    /// A button: `{name}` of the candidate.
    vote_eliminate,
    /// The same where votes save.
    vote_save,
    /// Heading of the confirmation.
    confirm_title,
    /// What is to be confirmed: `{name}`.
    confirm_eliminate,
    /// The same where votes save.
    confirm_save,
    /// A button: `{name}`.
    confirm_do_eliminate,
    /// The same where votes save.
    confirm_do_save,
    /// By which way a vote comes: `{channel}`.
    by_channel,
    /// Heading of the choice of a channel.
    channel,
    /// Of a channel by which this page takes no votes: `{channel}`.
    channel_elsewhere,
    /// Of a channel by which it takes votes by scripts alone: `{channel}`.
    channel_script,
    /// Of the same on a page that came without encryption: `{channel}`.
    channel_insecure,
    /// Where there is no other channel.
    no_channel,
    /// A link to where one came from.
    back,
    /// State: `{time}` of the opening.
    state_not_open,
    /// State: `{time}` of the closing.
    state_open,
    /// State.
    state_paused,
    /// State: `{time}` of the closing.
    state_closed,
    /// State: `{time}` of the closing.
    state_final,
    /// State.
    state_void,
    /// Said of figures that nobody has confirmed for a while.
    stale,
    /// Instead of figures that are not public.
    hidden,
    /// Instead of figures that production holds back.
    held,
    /// Instead of the bars of a poll without votes.
    nobody,
    /// Of a candidate who has left the poll.
    withdrawn,
    /// `{count}` of votes.
    total,
    /// Before the time that is left.
    closes_in,
    /// Before the time until the opening.
    opens_in,
    /// `{time}` of the figures.
    as_of,
    /// The proof of work of a vote is being made.
    proving,
    /// It could not be made.
    proof_failed,
    /// A button: to make it once more.
    proof_again,
    /// The vote is on its way.
    sending,
    /// There is no connection.
    offline,
    /// There was no answer, and the next attempt follows.
    retrying,
    /// The vote is recorded.
    accepted,
    /// It had been recorded before.
    already_accepted,
    /// Nobody knows.
    unknown,
    /// A button: the same vote, once more.
    resend,
    /// Names the receipt.
    receipt,
    /// Link to the receipt's page.
    receipt_link,
    /// A button: the next vote.
    again,
    /// Figures come by themselves.
    live,
    /// Figures don't come at the moment.
    not_live,
    /// Heading of the receipt's page.
    receipt_title,
    /// The vote is in the figures.
    receipt_in,
    /// The vote is in the sealed result.
    receipt_final,
    /// Not yet.
    receipt_waiting,
    /// The result is sealed without it.
    receipt_missing,
    /// The poll is void.
    receipt_void,
    /// `{time}` at which the vote was accepted.
    receipt_at,
    /// `{time}` of a repeat.
    receipt_repeated,
    /// What a receipt does not say.
    receipt_secret,
    /// Link: look once more.
    receipt_again,
    /// Heading of the list.
    list_title,
    /// Nothing is on the list.
    list_none,
    /// The list is not up to date.
    list_stale,
    /// Link to a poll that takes votes.
    list_vote,
    /// Link to any other poll.
    list_see,
    /// A short state.
    short_not_open,
    /// A short state.
    short_open,
    /// A short state.
    short_paused,
    /// A short state.
    short_closed,
    /// A short state.
    short_final,
    /// A short state.
    short_void,
    /// Heading where there is no such page.
    missing_title,
    /// What to do then.
    missing,
    /// Heading where something is wrong.
    wrong_title,
    /// What to do then.
    wrong,
    /// Heading where nothing is known yet.
    unread_title,
    /// What to do then.
    unread,
    /// Heading where a text is no receipt.
    no_receipt_title,
    /// What to do then.
    no_receipt,
}

impl Words {
    /// Those of a language.
    #[must_use]
    pub const fn of(language: Language) -> &'static Self {
        match language {
            Language::Pt => &pt::WORDS,
            Language::En => &en::WORDS,
            Language::Es => &es::WORDS,
        }
    }

    /// What a vote is for, as a question.
    #[must_use]
    pub const fn question(&self, direction: Direction) -> &'static str {
        match direction {
            Direction::Eliminate => self.question_eliminate,
            Direction::Save => self.question_save,
        }
    }

    /// What a vote means.
    #[must_use]
    pub const fn meaning(&self, direction: Direction) -> &'static str {
        match direction {
            Direction::Eliminate => self.meaning_eliminate,
            Direction::Save => self.meaning_save,
        }
    }

    /// The text of the button that votes for somebody.
    #[must_use]
    pub fn vote(&self, direction: Direction, name: &str) -> String {
        let text = match direction {
            Direction::Eliminate => self.vote_eliminate,
            Direction::Save => self.vote_save,
        };
        fill(text, "name", name)
    }

    /// What is to be confirmed.
    #[must_use]
    pub fn confirm(&self, direction: Direction, name: &str) -> String {
        let text = match direction {
            Direction::Eliminate => self.confirm_eliminate,
            Direction::Save => self.confirm_save,
        };
        fill(text, "name", name)
    }

    /// The text of the button that confirms a vote.
    #[must_use]
    pub fn confirm_do(&self, direction: Direction, name: &str) -> String {
        let text = match direction {
            Direction::Eliminate => self.confirm_do_eliminate,
            Direction::Save => self.confirm_do_save,
        };
        fill(text, "name", name)
    }

    /// What to say of a vote that was not recorded, or of which nobody knows.
    #[must_use]
    pub fn advice(&self, code: &str) -> Advice {
        (self.advice)(code)
    }
}

/// A text with something filled in.
#[must_use]
pub fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("{{{name}}}"), value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn gaps(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect()
    }

    #[test]
    fn every_language_says_everything_and_fills_in_the_same() {
        let portuguese = Words::of(Language::Pt);
        for language in Language::ALL {
            let words = Words::of(*language);
            assert_eq!(Language::of_tag(words.tag), Some(*language));
            for ((name, text), (_, first)) in words.all().zip(portuguese.all()) {
                assert!(!text.trim().is_empty(), "{language} {name}");
                assert_eq!(gaps(text), gaps(first), "{language} {name}");
            }
        }
    }

    #[test]
    fn a_button_says_what_a_vote_means() {
        for (language, eliminate, save) in [
            (
                Language::Pt,
                "Votar para eliminar Ana",
                "Votar para salvar Ana",
            ),
            (Language::En, "Vote to evict Ana", "Vote to save Ana"),
            (
                Language::Es,
                "Votar para eliminar a Ana",
                "Votar para salvar a Ana",
            ),
        ] {
            let words = Words::of(language);
            assert_eq!(words.vote(Direction::Eliminate, "Ana"), eliminate);
            assert_eq!(words.vote(Direction::Save, "Ana"), save);
            assert!(words.confirm_do(Direction::Save, "Ana").contains("Ana"));
        }
    }

    #[test]
    fn a_name_that_looks_like_a_gap_is_a_name() {
        let words = Words::of(Language::En);
        assert_eq!(words.vote(Direction::Save, "{name}"), "Vote to save {name}");
    }
}
