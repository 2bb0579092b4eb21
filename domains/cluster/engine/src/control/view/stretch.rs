//! The time-out ratio: what it makes of takeovers, and until when.

use tsugi_cluster_rules::record::{Record, Stretch};
use tsugi_cluster_rules::timing::Timing;
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_vocabulary::{Span, Wall};
use tsugi_wire::control::report;
use tsugi_wire::control::{Utc, Words};

use super::words::phrased;

/// What a stretch by `ratio` that is ordered now would do.
pub fn stretching(before: &Record, ratio: u32, (within, now): (Span, Wall)) -> Vec<Words> {
    let then = Timing::of(before.profile()).stretched(ratio);
    let ends = Wall(now.0.saturating_add(within.as_millis()));
    vec![
        takeover(then, before),
        phrased(&phrase::stretch_monitors(ratio)),
        phrased(&phrase::stretch_ends(Utc(ends))),
    ]
}

/// What the end of the stretch in force would do.
pub fn unwinding(before: &Record) -> Vec<Words> {
    let waited = before.timing().takes_over_within().as_millis();
    vec![takeover(Timing::of(before.profile()), before), phrased(&phrase::stretch_unwinds(waited))]
}

fn takeover(then: Timing, before: &Record) -> Words {
    let [then, now] = [then, before.timing()].map(|times| times.takes_over_within().as_millis());
    phrased(&phrase::stretch_takeover(then, now))
}

/// The stretch in force, for people.
pub fn stretched(record: &Record) -> Option<Words> {
    let Stretch { ratio, order, .. } = record.stretched()?;
    let until = Utc(record.stretched()?.ends_at());
    Some(phrased(&phrase::status_stretched(ratio, &order.by, &order.reason, until)))
}

/// The same as a message.
pub fn told(record: &Record) -> Option<Message> {
    let stretch = record.stretched()?;
    let (order, until) = (&stretch.order, Utc(stretch.ends_at()));
    let took = record.timing().takes_over_within().as_millis();
    let Stretch { ratio, .. } = stretch;
    Some(messages::time_outs_stretched(ratio, &order.by, &order.reason, until, took))
}

/// The same for programs.
pub fn report(record: &Record) -> Option<report::Stretch> {
    let stretch = record.stretched()?;
    Some(report::Stretch {
        ratio: stretch.ratio,
        by: stretch.order.by.clone(),
        reason: stretch.order.reason.clone(),
        since: Utc(stretch.order.at),
        until: Utc(stretch.ends_at()),
        takes_over_within_ms: record.timing().takes_over_within().as_millis(),
    })
}
