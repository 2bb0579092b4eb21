//! One measured line.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// One measured line. Fields are only added.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What.
    pub name: String,
    /// How many asked at the same time.
    pub clients: usize,
    /// How many were done in a second.
    pub per_s: f64,
    /// The time of one, in the middle.
    pub p50_ms: f64,
    /// The time of one, of a hundred the second longest.
    pub p99_ms: f64,
    /// How many this machine could do if only its disk and its network had to work.
    pub limit_per_s: Option<f64>,
}

impl Row {
    /// A row from the time of each of many, done within `span`.
    #[must_use]
    pub fn of(name: &str, clients: usize, mut times: Vec<Duration>, span: Duration) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().max(1) - 1));
        let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        let round = |value: f64, digits: f64| (value * digits).round() / digits;
        Self {
            name: name.into(),
            clients,
            per_s: round(times.len() as f64 / span.as_secs_f64(), 1.0),
            p50_ms: round(ms(at(50)), 1000.0),
            p99_ms: round(ms(at(99)), 1000.0),
            limit_per_s: None,
        }
    }

    /// The row with the limit of the machine.
    #[must_use]
    pub fn against(self, limit_per_s: f64) -> Self {
        Self { limit_per_s: Some(limit_per_s.round()), ..self }
    }
}

/// The heading above the rows.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<16} {:>7} {:>12} {:>9} {:>9} {:>13}",
        "name", "clients", "per second", "p50 ms", "p99 ms", "limit per s"
    )
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, clients, per_s, p50_ms, p99_ms, limit_per_s } = self;
        let limit = limit_per_s.map_or_else(String::new, |limit| format!("{limit:.0}"));
        write!(f, "{name:<16} {clients:>7} {per_s:>12.0} {p50_ms:>9.3} {p99_ms:>9.3} {limit:>13}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_middle_and_almost_the_longest_time() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let row = Row::of("x", 1, times, Duration::from_secs(2));
        assert_eq!((row.per_s, row.p50_ms, row.p99_ms), (50.0, 51.0, 100.0));
        assert_eq!(Row::of("x", 1, Vec::new(), Duration::from_secs(1)).per_s, 0.0);
    }
}
