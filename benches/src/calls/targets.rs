//! What is due, scaled by what this machine can do now: the machine on which the targets were set
//! did so much more or less than this one does beside others.

use super::{Extent, Limits};
use crate::Figure;

/// The lines that have a target.
pub const MANY: &str = "tsugi, own keys";
/// One client.
pub const ONE: &str = "tsugi, one client";
/// All on one key.
pub const HOT: &str = "tsugi, one hot key";
/// Calls whose answer is stored.
pub const STORED: &str = "tsugi, stored answers";

/// The program of the verification report, whose counter is in a file.
pub const COBOL: &str = "tsugi, a counter in COBOL";
/// Beside many stored replies, of which the old ones are taken away.
pub const KEPT: &str = "tsugi, many stored, purging";
/// On PostgreSQL.
pub const POSTGRES: &str = "tsugi on PostgreSQL";

/// What the machine of the targets did: SQLite with one sync for up to 64 callers a second and its
/// p99, a page over HTTP a second, and one sync in milliseconds.
const THERE: Limits = Limits {
    sqlite: 61_700.0,
    sqlite_p99_ms: 4.31,
    http: 178_000.0,
    sync_p50_ms: 0.053,
    postgres: None,
};
/// The most megabytes of an engine with 64 clients, not scaled.
const RESIDENT_MB: f64 = 100.0;
/// How long an engine that was killed takes at the most until it is up, in milliseconds, not
/// scaled.
const UP_MS: f64 = 100.0;
/// What part of the same statements by plain clients is due on PostgreSQL.
const OF_POSTGRES: f64 = 0.5;

/// One target: measured, due here, due there.
struct Line {
    name: &'static str,
    unit: &'static str,
    measured: f64,
    here: f64,
    there: f64,
    met: bool,
}

/// Prints every target beside what was measured.
pub fn tell(figures: &[Figure], extent: Extent, limits: &Limits) {
    println!(
        "{:<28} {:>9} {:>12} {:>14} {:>12}  met",
        "target", "", "measured", "scaled to here", "as it is set"
    );
    for line in lines(figures, extent, limits) {
        println!(
            "{:<28} {:>9} {:>12.2} {:>14.2} {:>12.2}  {}",
            line.name,
            line.unit,
            line.measured,
            line.here,
            line.there,
            if line.met { "yes" } else { "no" }
        );
    }
    for name in [COBOL, KEPT, POSTGRES] {
        if figures.iter().all(|figure| figure.name != name) {
            println!("{name}: not run");
        }
    }
    if let Some((_, rows)) = extent.up {
        println!("stored where many are: {rows} replies, every second one older than it is kept");
    }
}

fn lines(figures: &[Figure], extent: Extent, limits: &Limits) -> Vec<Line> {
    let of = |name| figures.iter().find(|figure| figure.name == name);
    let at_least = |name, there: f64, ratio: f64| {
        let measured = of(name)?.per_s;
        let here = there * ratio;
        Some(Line { name, unit: "per s", measured, here, there, met: measured >= here })
    };
    let at_most = |name, unit, measured: f64, there: f64, ratio: f64| {
        let here = there * ratio;
        Line { name, unit, measured, here, there, met: measured <= here }
    };
    let sqlite = limits.sqlite / THERE.sqlite;
    let slower = limits.sqlite_p99_ms / THERE.sqlite_p99_ms;
    let sync = limits.sync_p50_ms / THERE.sync_p50_ms;
    // Of the same statements in this run, so it is not scaled any more.
    let postgres = limits.postgres.and_then(|floor| {
        let (measured, due) = (of(POSTGRES)?.per_s, floor * OF_POSTGRES);
        let (name, unit) = (POSTGRES, "per s");
        Some(Line { name, unit, measured, here: due, there: due, met: measured >= due })
    });
    let times = [
        of(MANY).map(|figure| at_most(MANY, "p99 ms", figure.p99_ms, 10.0, slower)),
        of(KEPT).map(|figure| at_most(KEPT, "p99 ms", figure.p99_ms, 10.0, slower)),
        of(ONE).map(|figure| at_most(ONE, "p50 ms", figure.p50_ms, 0.25, sync)),
    ];
    let rates = [
        at_least(MANY, 15_000.0, sqlite),
        at_least(HOT, 15_000.0, sqlite),
        at_least(STORED, 40_000.0, limits.http / THERE.http),
        at_least(COBOL, 5_000.0, sqlite),
        at_least(KEPT, 15_000.0, sqlite),
        postgres,
    ];
    let memory = at_most("tsugi, engine resident", "MB", extent.resident_mb, RESIDENT_MB, 1.0);
    let up = extent.up.map(|(ms, _)| at_most("engine up after a kill", "ms", ms, UP_MS, 1.0));
    rates.into_iter().chain(times).flatten().chain([memory]).chain(up).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_target_is_scaled_by_its_own_limit() {
        let figure = |name, per_s: u32| {
            let times = vec![Duration::from_secs(1) / per_s; per_s as usize];
            Figure::of(name, 64, times, Duration::from_secs(1))
        };
        let figures = [figure(MANY, 8_000), figure(STORED, 8_000), figure(ONE, 2_500)];
        let half = Limits { sqlite: THERE.sqlite / 2.0, sqlite_p99_ms: 8.62, ..THERE };
        let extent = Extent { resident_mb: 120.0, up: Some((40.0, 1)) };
        let told = lines(&figures, extent, &half);
        let met: Vec<_> = told.iter().map(|l| (l.name, l.unit, l.here, l.met)).collect();
        assert_eq!(
            met,
            [
                (MANY, "per s", 7_500.0, true),
                (STORED, "per s", 40_000.0, false),
                (MANY, "p99 ms", 20.0, true),
                (ONE, "p50 ms", 0.25, false),
                ("tsugi, engine resident", "MB", 100.0, false),
                ("engine up after a kill", "ms", 100.0, true),
            ]
        );
    }
}
