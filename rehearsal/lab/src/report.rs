//! What is printed of a rehearsal, beside the figures of the verification report.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::pattern::Pattern;
use crate::product::Profile;
use crate::repetition::Repetition;

/// All repetitions of one pattern.
#[derive(Clone, Debug)]
pub struct Series {
    /// The pattern.
    pub pattern: Pattern,
    /// The repetitions that count.
    pub runs: Vec<Repetition>,
    /// How many were void: the machine stood still, or the fault found no call under way.
    pub void: usize,
}

/// One pattern as JSON. Fields are only added.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pattern: &'static str,
    runs: usize,
    outage_ms: Spread,
    lost: u64,
    doubled: u64,
    held_twice_ms: f64,
    after_wake_ms: Option<f64>,
    void: usize,
    stale: usize,
    healthy_shot: Option<usize>,
    wrong: Vec<String>,
    first_causes: Vec<String>,
}

/// Smallest, middle, almost largest, largest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Middle.
    pub median: f64,
    /// Of a hundred, the second largest.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of some durations, in milliseconds.
    #[must_use]
    pub fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.collect();
        sorted.sort_unstable();
        let Some(most) = sorted.len().checked_sub(1) else {
            return Self { min: 0.0, median: 0.0, p99: 0.0, max: 0.0 };
        };
        let middle = (sorted[most / 2] + sorted[most.div_ceil(2)]) / 2;
        let almost = (sorted.len() * 99).div_ceil(100) - 1;
        Self {
            min: ms(sorted[0]),
            median: ms(middle),
            p99: ms(sorted[almost]),
            max: ms(sorted[most]),
        }
    }
}

/// Milliseconds with one decimal.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

impl Series {
    /// The row of this series.
    #[must_use]
    pub fn row(&self) -> Row {
        let runs = &self.runs;
        let causes: BTreeSet<String> = runs.iter().flat_map(|run| run.causes.clone()).collect();
        let wakes = runs.iter().filter_map(|run| run.after_wake);
        let shot = runs.iter().filter_map(|run| run.healthy_shot);
        Row {
            pattern: self.pattern.name(),
            runs: runs.len(),
            outage_ms: Spread::of(runs.iter().map(|run| run.outage.gap)),
            lost: runs.iter().map(|run| run.outage.lost).sum(),
            doubled: runs.iter().map(|run| run.outage.doubled).sum(),
            held_twice_ms: ms(runs.iter().map(|run| run.held_twice).max().unwrap_or_default()),
            after_wake_ms: wakes.max().map(ms),
            void: self.void,
            stale: runs.iter().map(|run| run.stale).sum(),
            healthy_shot: shot.reduce(|one, more| one + more),
            wrong: runs.iter().flat_map(|run| run.wrong.clone()).collect(),
            first_causes: causes.into_iter().collect(),
        }
    }
}

impl Row {
    /// What was not as it must be, apart from the times.
    #[must_use]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Whether nothing was lost, doubled or held twice, and whoever had to answer did.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let wake = self.after_wake_ms.is_none_or(|wake| wake <= 50.0);
        let shot = self.healthy_shot.unwrap_or(0);
        let numbers = self.lost == 0 && self.doubled == 0 && self.stale == 0 && shot == 0;
        numbers && self.held_twice_ms <= 0.0 && wake && self.wrong.is_empty() && self.runs > 0
    }

    /// Whether the outage is as promised.
    #[must_use]
    pub fn is_quick(&self, pattern: Pattern, profile: Profile) -> bool {
        pattern.limit(profile).is_none_or(|limit| {
            self.outage_ms.median <= limit.median_ms as f64
                && self.outage_ms.max <= limit.worst_ms as f64
        })
    }

    /// The line of this row.
    #[must_use]
    pub fn line(&self, pattern: Pattern, profile: Profile) -> String {
        let Spread { min, median, p99, max } = self.outage_ms;
        let limit = pattern.limit(profile).map_or_else(String::new, |limit| {
            let held = if self.is_quick(pattern, profile) { "held" } else { "OVER" };
            format!("{}/{} {held}", limit.median_ms, limit.worst_ms)
        });
        let wake = self.after_wake_ms.map_or_else(String::new, |wake| format!("{wake:.1}"));
        let shot = self.healthy_shot.map_or_else(String::new, |shot| shot.to_string());
        format!(
            "{:<20} {:>4} {min:>8.1} {median:>8.1} {p99:>8.1} {max:>8.1} {:>5} {:>7} {:>10.1} \
             {wake:>10} {shot:>12} {limit:<14} {}",
            self.pattern,
            self.runs,
            self.lost,
            self.doubled,
            self.held_twice_ms,
            pattern.reported()
        )
    }
}

/// The heading above the lines.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<20} {:>4} {:>8} {:>8} {:>8} {:>8} {:>5} {:>7} {:>10} {:>10} {:>12} {:<14} {}",
        "pattern",
        "runs",
        "min ms",
        "median",
        "p99",
        "max",
        "lost",
        "doubled",
        "held twice",
        "after wake",
        "healthy shot",
        "limit",
        "verification report 2006"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outage::Outage;

    #[test]
    fn a_spread_is_read_from_the_sorted_values() {
        let of = |values: &[u64]| Spread::of(values.iter().map(|v| Duration::from_millis(*v)));
        let spread = of(&[40, 10, 30, 20]);
        assert_eq!(spread, Spread { min: 10.0, median: 25.0, p99: 40.0, max: 40.0 });
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(of(&hundred).p99, 99.0);
    }

    fn lost_for(gap: Duration) -> Repetition {
        let outage = Outage {
            gap,
            from_to: (Some("n1".to_owned()), Some("n2".to_owned())),
            since_fault: Some(gap),
            lost: 0,
            doubled: 0,
            answered: 900,
            failures: std::collections::BTreeMap::new(),
        };
        Repetition {
            outage,
            held_twice: Duration::ZERO,
            after_wake: None,
            stale: 0,
            healthy_shot: None,
            wrong: Vec::new(),
            causes: Vec::new(),
            stalls: Vec::new(),
            not_met: None,
            took: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_repetition_that_shows_nothing_is_void_but_never_one_that_went_wrong() {
        let good = lost_for(Duration::from_secs(1));
        assert_eq!(good.void(), None);
        let found_nothing = Repetition { not_met: Some("none under way".into()), ..good };
        assert_eq!(found_nothing.void().as_deref(), Some("none under way"));
        let wrong = Repetition { wrong: vec!["late".into()], ..found_nothing.clone() };
        assert_eq!(wrong.void(), None, "it is told, not done again");
        let outage = Outage { doubled: 1, ..found_nothing.outage.clone() };
        let doubled = Repetition { outage, ..found_nothing };
        assert_eq!(doubled.void(), None, "no less doubled");
    }

    #[test]
    fn a_healthy_node_that_was_shot_is_a_failure_and_stands_in_the_line() {
        let pattern = Pattern::FencedIsolated;
        for shot in [0, 1] {
            let run = Repetition { healthy_shot: Some(shot), ..lost_for(Duration::from_secs(1)) };
            assert_eq!(run.is_unsafe(), shot > 0);
            let runs = vec![run, lost_for(Duration::from_secs(1))];
            let row = Series { pattern, runs, void: 0 }.row();
            assert_eq!(row.is_safe(), shot == 0);
            let line = row.line(pattern, Profile::Default);
            assert!(line.contains(&format!(" {shot} 700/1000 ")), "{line}");
        }
    }

    #[test]
    fn mf_21_the_time_until_the_first_answer_is_reported_beside_its_target_and_the_old_figure() {
        for profile in [Profile::Default, Profile::Fast] {
            for pattern in [Pattern::ProcessKill, Pattern::Power, Pattern::RunningLinks] {
                let limit = pattern.limit(profile).expect("it has a target");
                assert!(limit.worst_ms < 10_000, "below 10 s, where the report had 47 to 97 s");
                let told = |gap| {
                    let series = Series { pattern, runs: vec![lost_for(gap)], void: 0 };
                    let row = series.row();
                    (row.line(pattern, profile), row.is_quick(pattern, profile))
                };
                let (line, quick) = told(Duration::from_millis(12_345));
                assert!(line.contains("12345.0") && line.contains("OVER") && !quick, "{line}");
                let (line, quick) = told(Duration::from_millis(limit.median_ms));
                assert!(line.contains("held") && quick, "{line}");
                assert!(line.ends_with(pattern.reported()), "{line}");
            }
        }
        for (pattern, seconds) in [(Pattern::RunningLinks, "96,5"), (Pattern::Mutual, "47,4")] {
            assert!(pattern.reported().contains(seconds), "{}", pattern.reported());
        }
    }
}
