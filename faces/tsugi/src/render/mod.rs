//! Reports as lines for people; pure but for the zone that times are shown in.

mod explain;
mod lists;
mod message;
mod status;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tsugi_messages::wrap;
use tsugi_wire::control::Utc;

pub use explain::{explain, history, outlook, why};
pub use lists::{audit, groups, nodes};
pub use message::{message, messages};
pub use status::{Source, status};

/// How wide a line may be.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    said.filter(|c| *c >= 40).unwrap_or(80)
}

/// A moment in the zone of this machine, which it names.
pub fn moment(utc: Utc) -> String {
    let millis = i64::try_from(utc.0.0).unwrap_or(i64::MAX);
    match Timestamp::from_millisecond(millis) {
        Ok(at) => {
            let zoned = at.to_zoned(TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M:%S%.3f%:z").to_string()
        }
        Err(_) => utc.to_string(),
    }
}

/// A text behind a mark, further lines under its first letter.
pub fn hanging(mark: &str, text: &str, cells: usize) -> Vec<String> {
    let indent = tsugi_messages::width(mark);
    let lines = wrap(text, cells.saturating_sub(indent).max(20));
    let with = |(at, line): (usize, String)| match at {
        0 => format!("{mark}{line}"),
        _ => format!("{}{line}", " ".repeat(indent)),
    };
    lines.into_iter().enumerate().map(with).collect()
}
