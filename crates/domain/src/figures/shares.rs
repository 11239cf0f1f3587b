//! Exact weighted shares: whole-number arithmetic throughout, rounded once, at the end.
//!
//! A candidate's share is Σ wₖ·vₖ/Tₖ ÷ Σ wₖ over the channels k with votes, where vₖ are its votes there,
//! Tₖ all votes there and wₖ the channel's weight. Leaving out a channel without votes gives its weight to
//! the others in proportion. Over the common denominator Σ wₖ · Π Tⱼ every share is a whole number, of up
//! to 600 bits: nothing is rounded until the hundredths are handed out by largest remainder (Hamilton).

use num_bigint::BigUint;
use num_integer::Integer;

use crate::figures::percent::Percent;
use crate::figures::tally::Tally;

/// How the votes are shared out among the candidates, each by its index in the poll's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Percentages that add up to exactly 100.00; all 0.00 where there are no votes at all.
    pub(crate) percents: Vec<Percent>,
    /// Ranks from 1, over the exact shares: equals have the same one, and the next is left out (1, 1, 3).
    /// All 1 where there are no votes at all.
    pub(crate) ranks: Vec<u32>,
}

/// The weighted shares of all candidates, over all channels.
///
/// `weights` holds the channels' weights, in the order of the tally's channels; a channel without one
/// weighs nothing.
#[must_use]
pub(crate) fn weighted_shares(tally: &Tally, weights: &[u32]) -> Shares {
    let voted: Vec<(&[u64], u32, BigUint)> = tally
        .rows()
        .zip(weights)
        .map(|(row, &weight)| (row, weight, row.iter().copied().map(BigUint::from).sum()))
        .filter(|(_, weight, total): &(_, _, BigUint)| *weight > 0 && *total > BigUint::ZERO)
        .collect();

    let mut numerators = vec![BigUint::ZERO; tally.candidates()];
    for (k, (row, weight, _)) in voted.iter().enumerate() {
        let others: BigUint = voted
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != k)
            .map(|(_, (_, _, total))| total)
            .product();
        let factor = others * *weight;
        for (numerator, &votes) in numerators.iter_mut().zip(*row) {
            *numerator += &factor * votes;
        }
    }
    apportion(&numerators)
}

/// The shares within one row of counts.
pub(crate) fn plain_shares<N: Copy>(row: &[N]) -> Shares
where
    BigUint: From<N>,
{
    let numerators: Vec<BigUint> = row.iter().copied().map(BigUint::from).collect();
    apportion(&numerators)
}

/// Hands out 10 000 hundredths of a percent in proportion to the numerators, by largest remainder, ties
/// by order, and ranks them.
fn apportion(numerators: &[BigUint]) -> Shares {
    let denominator: BigUint = numerators.iter().sum();
    Shares {
        percents: percents(numerators, &denominator),
        ranks: ranks(numerators),
    }
}

fn percents(numerators: &[BigUint], denominator: &BigUint) -> Vec<Percent> {
    if *denominator == BigUint::ZERO {
        return vec![Percent::ZERO; numerators.len()];
    }
    let (mut hundredths, remainders): (Vec<u16>, Vec<BigUint>) = numerators
        .iter()
        .map(|numerator| {
            let (whole, remainder) =
                (numerator * Percent::HUNDRED.hundredths()).div_rem(denominator);
            // At most 10 000, as no numerator is larger than their sum.
            (u16::try_from(whole).unwrap_or(u16::MAX), remainder)
        })
        .unzip();

    let handed_out: u16 = hundredths.iter().sum();
    let left = usize::from(Percent::HUNDRED.hundredths() - handed_out);
    let mut order: Vec<usize> = (0..numerators.len()).collect();
    // A stable sort: candidates of equal remainder stay in their order.
    order.sort_by(|&a, &b| remainders[b].cmp(&remainders[a]));
    for &candidate in &order[..left] {
        hundredths[candidate] += 1;
    }
    hundredths
        .into_iter()
        .map(|hundredths| Percent::from_hundredths(hundredths).unwrap_or(Percent::HUNDRED))
        .collect()
}

fn ranks(numerators: &[BigUint]) -> Vec<u32> {
    numerators
        .iter()
        .map(|own| {
            let ahead = numerators.iter().filter(|other| *other > own).count();
            u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1)
        })
        .collect()
}

#[cfg(test)]
mod tests;
