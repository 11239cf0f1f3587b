//! How a language writes figures, and what it calls a rehearsal.

use vote_domain::{Kind, Language, Percent};

/// How a language writes what graphics show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    decimal: char,
    group: char,
    /// What stands between a figure and `%`: a plain space, since not every font on air has another.
    before_percent: &'static str,
    /// The shortest number, in digits, that is grouped.
    least_grouped: usize,
    rehearsal: &'static str,
}

impl Words {
    /// Those of a language, as CLDR has them; but for the space that Brazilian graphics write before `%`.
    pub(crate) const fn of(language: Language) -> Self {
        match language {
            Language::Pt => Self {
                decimal: ',',
                group: '.',
                before_percent: " ",
                least_grouped: 4,
                rehearsal: "ENSAIO",
            },
            Language::En => Self {
                decimal: '.',
                group: ',',
                before_percent: "",
                least_grouped: 4,
                rehearsal: "REHEARSAL",
            },
            Language::Es => Self {
                decimal: ',',
                group: '.',
                before_percent: " ",
                least_grouped: 5,
                rehearsal: "ENSAYO",
            },
        }
    }

    /// A percentage with two decimals: `56,73 %`.
    pub(crate) fn percent(&self, percent: Percent) -> String {
        let hundredths = percent.hundredths();
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        format!("{whole}{}{rest:02}{}%", self.decimal, self.before_percent)
    }

    /// A count, its digits in groups of three: `1.135.002`.
    pub(crate) fn count(&self, count: u128) -> String {
        let digits = count.to_string();
        if digits.len() < self.least_grouped {
            return digits;
        }
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(self.group);
            }
            text.push(digit);
        }
        text
    }

    /// A poll's title: that of a rehearsal says so, for whoever shows nothing else of it.
    pub(crate) fn title(&self, kind: Kind, title: &str) -> String {
        match kind {
            Kind::Live => title.to_owned(),
            Kind::Rehearsal => format!("{} – {title}", self.rehearsal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Percent {
        serde_json::from_str(text).expect("a percentage")
    }

    #[test]
    fn each_language_writes_figures_its_own_way() {
        let counts = [0, 999, 1135, 12_345, 1_500_000_000];
        for (language, fifty_six, five_hundredths, written) in [
            (
                Language::Pt,
                "56,73 %",
                "0,05 %",
                ["0", "999", "1.135", "12.345", "1.500.000.000"],
            ),
            (
                Language::En,
                "56.73%",
                "0.05%",
                ["0", "999", "1,135", "12,345", "1,500,000,000"],
            ),
            (
                Language::Es,
                "56,73 %",
                "0,05 %",
                ["0", "999", "1135", "12.345", "1.500.000.000"],
            ),
        ] {
            let words = Words::of(language);
            assert_eq!(words.percent(percent("56.73")), fifty_six);
            assert_eq!(words.percent(percent("0.05")), five_hundredths);
            assert_eq!(
                words.percent(Percent::HUNDRED),
                fifty_six.replace("56", "100").replace("73", "00")
            );
            assert_eq!(
                counts.map(|count| words.count(count)),
                written,
                "{language}"
            );
        }
        assert_eq!(
            Words::of(Language::En).count(u128::MAX),
            "340,282,366,920,938,463,463,374,607,431,768,211,455"
        );
    }

    #[test]
    fn a_rehearsal_says_so_in_each_language() {
        let title = |language, kind| Words::of(language).title(kind, "Paredão 1");
        assert_eq!(title(Language::Pt, Kind::Rehearsal), "ENSAIO – Paredão 1");
        assert_eq!(
            title(Language::En, Kind::Rehearsal),
            "REHEARSAL – Paredão 1"
        );
        assert_eq!(title(Language::Es, Kind::Rehearsal), "ENSAYO – Paredão 1");
        assert_eq!(title(Language::Pt, Kind::Live), "Paredão 1");
    }
}
