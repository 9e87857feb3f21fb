//! What somebody probably meant by a word that is none of the known ones.

/// The known word nearest to `word`, if one is near: a few letters apart, or the only one that contains it.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let word = simplified(word);
    let near = known
        .iter()
        .map(|candidate| (distance(&word, &simplified(candidate)), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 4).max(1))
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, candidate)) = near {
        return Some(candidate);
    }
    let mut containing = known.into_iter().filter(|candidate| {
        let candidate = simplified(candidate);
        word.len() >= 4 && (candidate.contains(&word) || (candidate.len() >= 4 && word.contains(&candidate)))
    });
    containing.next().filter(|_| containing.next().is_none())
}

/// `did you mean "…"?`, with what leads to it; empty where nothing is near.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|candidate| format!("; did you mean {candidate:?}?")).unwrap_or_default()
}

fn simplified(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        for (left, right, letters) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("erc-20", "erc20", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(left, right), letters, "{left} {right}");
            assert_eq!(distance(right, left), letters, "{right} {left}");
        }
    }

    #[test]
    fn guesses_what_is_near_and_nothing_else() {
        let known = ["timeout_ms", "poll_interval_ms", "url", "url_file"];
        assert_eq!(nearest("time_out_ms", known), Some("timeout_ms"));
        assert_eq!(nearest("Timeout-MS", known), Some("timeout_ms"));
        assert_eq!(nearest("poll_interval", known), Some("poll_interval_ms"));
        assert_eq!(nearest("ulr_file", known), Some("url_file"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
