//! Shares worked out by hand, and what holds for all of them.

use super::*;
use proptest::prelude::*;

fn shares(rows: &[(u32, &[u64])]) -> (Vec<String>, Vec<u32>) {
    let weights: Vec<u32> = rows.iter().map(|(weight, _)| *weight).collect();
    let rows: Vec<Vec<u64>> = rows.iter().map(|(_, row)| row.to_vec()).collect();
    let shares = weighted_shares(&Tally::from_rows(&rows).expect("even"), &weights);
    let percents = shares.percents.iter().map(ToString::to_string).collect();
    (percents, shares.ranks)
}

fn of(percents: &[&str], ranks: &[u32]) -> (Vec<String>, Vec<u32>) {
    (
        percents.iter().map(ToString::to_string).collect(),
        ranks.to_vec(),
    )
}

#[test]
fn the_single_vote_outweighs_the_crowd_as_its_rule_says() {
    // Torcida 75 : 25, voto único 25 : 75. By votes Ana leads, by the rule Bia does.
    let torcida: &[u64] = &[900_000, 300_000];
    let unico: &[u64] = &[200, 600];
    assert_eq!(
        shares(&[(30, torcida), (70, unico)]),
        of(&["40.00", "60.00"], &[2, 1])
    );
    assert_eq!(
        shares(&[(30, &[1, 2, 0]), (70, &[1, 1, 1])]),
        // 10 + 23⅓, 20 + 23⅓ and 23⅓: equal remainders, so the first gets the hundredth.
        of(&["33.34", "43.33", "23.33"], &[2, 1, 3])
    );
}

#[test]
fn remainders_are_handed_out_largest_first_and_ties_by_order() {
    assert_eq!(
        shares(&[(1, &[1, 1, 1])]),
        of(&["33.34", "33.33", "33.33"], &[1, 1, 1])
    );
    assert_eq!(
        shares(&[(1, &[1, 1, 1, 1, 1, 1])]),
        of(
            &["16.67", "16.67", "16.67", "16.67", "16.66", "16.66"],
            &[1; 6]
        )
    );
    assert_eq!(
        shares(&[(1, &[2, 5, 2, 1])]),
        of(&["20.00", "50.00", "20.00", "10.00"], &[2, 1, 2, 4])
    );
}

#[test]
fn shares_are_averaged_unrounded_and_rounded_once() {
    // Alone these give 1.23, 1.23 and 1.24 %, whose mean is 1.23; the mean of the shares is 1.23503.
    let channel = |votes: u64| [votes, 1_000_000 - votes];
    let (a, b, c) = (channel(12_349), channel(12_349), channel(12_353));
    assert_eq!(shares(&[(1, &a)]).0, ["1.23", "98.77"]);
    assert_eq!(shares(&[(1, &c)]).0, ["1.24", "98.76"]);
    assert_eq!(shares(&[(1, &a), (1, &b), (1, &c)]).0, ["1.24", "98.76"]);
}

#[test]
fn a_channel_without_votes_gives_its_weight_to_the_others() {
    assert_eq!(
        shares(&[(30, &[1, 3]), (70, &[0, 0])]),
        of(&["25.00", "75.00"], &[2, 1])
    );
    assert_eq!(
        shares(&[(1, &[1, 0]), (96, &[0, 0]), (3, &[0, 1])]),
        of(&["25.00", "75.00"], &[2, 1])
    );
}

#[test]
fn without_any_votes_all_have_nothing_and_are_first() {
    assert_eq!(
        shares(&[(30, &[0, 0]), (70, &[0, 0])]),
        of(&["0.00", "0.00"], &[1, 1])
    );
}

#[test]
fn ranks_see_what_two_decimals_hide() {
    let (percents, ranks) = shares(&[(1, &[500_000_000, 500_000_001])]);
    assert_eq!(percents, ["50.00", "50.00"]);
    assert_eq!(ranks, [2, 1]);
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let row = [u64::MAX; 64];
    let rows: Vec<(u32, &[u64])> = (0..8).map(|_| (1_000_000, row.as_slice())).collect();
    let (percents, ranks) = shares(&rows);
    assert_eq!(percents.iter().filter(|p| *p == "1.57").count(), 16);
    assert_eq!(percents.iter().filter(|p| *p == "1.56").count(), 48);
    assert_eq!(ranks, [1; 64]);
}

/// Counts of every size, zeros and ties among them.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        0_u64..5,
        any::<u32>().prop_map(u64::from),
        any::<u64>(),
        Just(u64::MAX)
    ]
}

/// Up to 8 channels and 64 candidates; some channels have no votes at all.
fn channels() -> impl Strategy<Value = Vec<(u32, Vec<u64>)>> {
    (1_usize..=8, 2_usize..=64).prop_flat_map(|(channels, candidates)| {
        let row = prop_oneof![
            1 => Just(vec![0; candidates]),
            4 => prop::collection::vec(count(), candidates),
        ];
        prop::collection::vec((1_u32..=1_000_000, row), channels)
    })
}

fn of_channels(channels: &[(u32, Vec<u64>)]) -> Shares {
    let rows: Vec<Vec<u64>> = channels.iter().map(|(_, row)| row.clone()).collect();
    let weights: Vec<u32> = channels.iter().map(|(weight, _)| *weight).collect();
    weighted_shares(&Tally::from_rows(&rows).expect("even"), &weights)
}

proptest! {
    #[test]
    fn percentages_add_up_to_exactly_a_hundred(channels in channels()) {
        let sum: u32 = of_channels(&channels)
            .percents
            .iter()
            .map(|percent| u32::from(percent.hundredths()))
            .sum();
        let votes = channels.iter().any(|(_, row)| row.iter().any(|&votes| votes > 0));
        prop_assert_eq!(sum, if votes { 10_000 } else { 0 });
    }

    #[test]
    fn no_percentage_is_off_by_a_hundredth(channels in channels()) {
        let shares = of_channels(&channels);
        let voted: Vec<_> = channels
            .iter()
            .filter(|(_, row)| row.iter().any(|&votes| votes > 0))
            .collect();
        let weight: f64 = voted.iter().map(|(weight, _)| f64::from(*weight)).sum();
        for (candidate, percent) in shares.percents.iter().enumerate() {
            let exact: f64 = voted
                .iter()
                .map(|(weight, row)| {
                    let total: f64 = row.iter().map(|&votes| votes as f64).sum();
                    f64::from(*weight) * (row[candidate] as f64 / total)
                })
                .sum::<f64>() / weight.max(1.0) * 100.0;
            prop_assert!((percent.as_f64() - exact).abs() < 0.01 + 1e-6);
        }
    }

    #[test]
    fn the_order_of_the_channels_changes_nothing(
        (channels, shuffled) in channels().prop_flat_map(|c| (Just(c.clone()), Just(c).prop_shuffle()))
    ) {
        prop_assert_eq!(of_channels(&channels), of_channels(&shuffled));
    }

    #[test]
    fn the_order_of_the_candidates_changes_no_rank_and_moves_no_share_by_more_than_a_tie(
        (channels, order) in channels().prop_flat_map(|c| {
            let order: Vec<usize> = (0..c[0].1.len()).collect();
            (Just(c), Just(order).prop_shuffle())
        })
    ) {
        let moved: Vec<(u32, Vec<u64>)> = channels
            .iter()
            .map(|(weight, row)| (*weight, order.iter().map(|&from| row[from]).collect()))
            .collect();
        let (before, after) = (of_channels(&channels), of_channels(&moved));
        for (to, &from) in order.iter().enumerate() {
            prop_assert_eq!(after.ranks[to], before.ranks[from]);
            let difference = after.percents[to]
                .hundredths()
                .abs_diff(before.percents[from].hundredths());
            prop_assert!(difference <= 1);
        }
    }

    #[test]
    fn a_channel_without_votes_is_as_if_it_were_not_there(
        channels in channels(), weight in 1_u32..=1_000_000, at in any::<prop::sample::Index>()
    ) {
        let mut more = channels.clone();
        more.insert(at.index(channels.len() + 1), (weight, vec![0; channels[0].1.len()]));
        prop_assert_eq!(of_channels(&channels), of_channels(&more));
    }

    #[test]
    fn multiplying_all_weights_changes_nothing(channels in channels(), by in 2_u32..1000) {
        let heavier: Vec<(u32, Vec<u64>)> = channels
            .iter()
            .map(|(weight, row)| (weight * by, row.clone()))
            .collect();
        prop_assert_eq!(of_channels(&channels), of_channels(&heavier));
    }

    #[test]
    fn more_is_never_ranked_behind_less(channels in channels()) {
        let shares = of_channels(&channels);
        for a in 0..shares.ranks.len() {
            for b in 0..shares.ranks.len() {
                if shares.ranks[a] < shares.ranks[b] {
                    prop_assert!(shares.percents[a] >= shares.percents[b]);
                }
            }
        }
    }
}
