//! The known word that was probably meant.

/// The one of `known` that is closest to `given`, if it is close enough to be meant.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = given.chars().count().div_ceil(3).max(1);
    let scored = known.into_iter().map(|k| (distance(given, k), k));
    scored.filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// How many letters must be changed, added, dropped or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let crossed = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if crossed {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("adress", ["address", "after"]), Some("address"));
        assert_eq!(nearest("prefre", ["prefer", "mode"]), Some("prefer"));
        assert_eq!(nearest("Startup", ["startup", "start"]), Some("startup"));
        assert_eq!(nearest("colour", ["address", "after"]), None);
    }
}
