//! Which provider is asked, and what the others' word is worth. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::B256;

use super::health::{Health, Rules, Trouble};

/// So much better another one's score must be before a provider that still answers is left.
const MARGIN: f64 = 0.2;

/// The provider to be asked in the next unit of work, of those that answered just now and are not left alone.
///
/// The one that was asked before stays, unless another does clearly better, or one that stands earlier in the
/// configuration has been well for a while.
pub fn choose(all: &[Health], fit: &[usize], pinned: usize, now: Duration, rules: &Rules) -> Option<usize> {
    let proves_nothing = |i: usize| all[i].proves == Some(false);
    // Scores are compared in tenths: small differences must not outweigh the order of the configuration.
    let rank = |i: &usize| (proves_nothing(*i), -((all[*i].score * 10.0).round() as i64), *i);
    let best = fit.iter().copied().min_by_key(rank)?;
    if !fit.contains(&pinned) {
        return Some(best);
    }
    if proves_nothing(pinned) && !proves_nothing(best) || all[best].score > all[pinned].score + MARGIN {
        return Some(best);
    }
    let preferred = fit.iter().copied().filter(|&i| {
        i < pinned
            && proves_nothing(i) <= proves_nothing(pinned)
            && all[i].is_calm(now, rules)
            && all[i].score + MARGIN >= all[pinned].score
    });
    Some(preferred.min().unwrap_or(pinned))
}

/// The same when all that answer are in quarantine: the one with the least trouble. One of another chain is never asked.
pub fn least_bad(all: &[Health], answered: &[usize], now: Duration) -> Option<usize> {
    let trouble = |i: usize| all[i].quarantine(now).map(|quarantine| (quarantine.trouble, quarantine.until));
    let usable = answered
        .iter()
        .copied()
        .filter(|&i| trouble(i).is_none_or(|(trouble, _)| trouble != Trouble::WrongChain));
    usable.min_by_key(|&i| (trouble(i), i))
}

/// Those that lag: who, and how.
///
/// A head is only compared with what another was heard to have before it. It lags when it is too many blocks and, by
/// their times, too many seconds behind; or when it does not reach a block that another had so many seconds ago.
pub fn lagging(all: &mut [Health], now: Duration, rules: &Rules) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for i in 0..all.len() {
        let Some(mine) = all[i].heard.filter(|_| all[i].quarantine(now).is_none()) else { continue };
        let others =
            all.iter().enumerate().filter(|(other, health)| *other != i && !health.is_distrusted(now));
        let earlier = others.filter_map(|(_, other)| other.heard).filter(|heard| heard.at <= mine.at);
        let Some(best) = earlier.max_by_key(|heard| heard.view.head.id.number) else { continue };
        let (head, best_head) = (mine.view.head, best.view.head);
        all[i].behind = all[i].behind.filter(|(target, _)| head.id.number < *target);
        if head.id.number >= best_head.id.number {
            continue;
        }
        let (target, since) = *all[i].behind.get_or_insert((best_head.id.number, best.at));
        let blocks = best_head.id.number - head.id.number;
        let seconds = best_head.timestamp.saturating_sub(head.timestamp);
        let waited = mine.at.saturating_sub(since).as_secs();
        if blocks > rules.lag_blocks_max && seconds > rules.lag_seconds_max {
            found.push((i, format!("its head {} is {blocks} blocks and {seconds} s behind", head.id.number)));
        } else if waited > rules.lag_seconds_max {
            found.push((i, format!("it does not have block {target}, which others had {waited} s ago")));
        }
    }
    found
}

/// What some providers have at one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vote {
    /// All the same.
    Agreed,
    /// More have one block than any other; those that have another.
    Outvoted(Vec<usize>),
    /// As many have one block as another: nobody can say who is right.
    Tied,
}

/// Counts what providers have at one height.
pub fn count(votes: &[(usize, B256)]) -> Vote {
    let mut blocks: BTreeMap<B256, usize> = BTreeMap::new();
    votes.iter().for_each(|(_, hash)| *blocks.entry(*hash).or_default() += 1);
    if blocks.len() <= 1 {
        return Vote::Agreed;
    }
    let most = blocks.values().copied().max().unwrap_or_default();
    let mut first = blocks.iter().filter(|(_, count)| **count == most).map(|(hash, _)| *hash);
    match (first.next(), first.next()) {
        (Some(hash), None) => {
            Vote::Outvoted(votes.iter().filter(|vote| vote.1 != hash).map(|vote| vote.0).collect())
        }
        _ => Vote::Tied,
    }
}

/// What most say, the first to be named where as many say another thing.
pub fn majority<T: PartialEq + Copy>(said: &[T]) -> Option<T> {
    let count = |one: &T| said.iter().filter(|other| *other == one).count();
    let most = said.iter().map(count).max()?;
    said.iter().copied().find(|one| count(one) == most)
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
