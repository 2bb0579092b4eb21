//! Why an errand failed, in the words and by the kind that the rules take.

use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_host::request::{Ended, Failure, HowEnded, TimeLimit};

use crate::{mirror, reservation};

use super::FLOOD;

/// What the hands could not do; what was done without effect is still there.
pub(super) fn how_failed(failure: &Failure) -> How {
    let mishap = match failure {
        Failure::StillThere { .. } | Failure::NoEffect { .. } => Mishap::StillThere,
        Failure::NotArmed { .. }
        | Failure::NoLink { .. }
        | Failure::LinkDown { .. }
        | Failure::OnOtherLink { .. }
        | Failure::Source { .. }
        | Failure::MountedElsewhere { .. }
        | Failure::PlaceTaken { .. }
        | Failure::NoProgram
        | Failure::NotStarted { .. }
        | Failure::NeedsRoot
        | Failure::Malformed { .. }
        | Failure::Busy
        | Failure::DiskFull { .. }
        | Failure::DiskFails { .. }
        | Failure::System { .. } => Mishap::Plain,
    };
    How::of(mishap, failure.to_string())
}

/// How a program ended that should have ended well, or not at all.
pub(crate) fn how_ended(ended: &Ended) -> How {
    let (how, mishap) = match ended.how {
        HowEnded::Exited(code) => (format!("exit {code}"), Mishap::Plain),
        HowEnded::Signalled(signal) => (format!("signal {signal}"), Mishap::Signal),
    };
    let (how, mishap) = match ended.limit {
        TimeLimit::Kept => (how, mishap),
        TimeLimit::Exceeded => ("no end within its limit".to_owned(), Mishap::TooLate),
    };
    let (how, mishap) = match ended.dropped > FLOOD {
        true => (format!("{how}, flooded its output"), Mishap::Flooded),
        false => (how, mishap),
    };
    let last = last_line(&String::from_utf8_lossy(&ended.tail));
    let words = if last.is_empty() { how } else { format!("{how}: {last}") };
    How::of(mishap, words)
}

/// How it ended that a volume was to be made primary or secondary.
pub(super) fn how_mirrored(ended: &Ended) -> How {
    match (ended.limit, ended.how) {
        (TimeLimit::Kept, HowEnded::Exited(code)) => match mirror::step::obstacle(code) {
            Some(obstacle) => {
                let words = last_line(&String::from_utf8_lossy(&ended.tail));
                How::of(Mishap::Mirror { obstacle }, words)
            }
            None => how_ended(ended),
        },
        (TimeLimit::Kept | TimeLimit::Exceeded, _) => how_ended(ended),
    }
}

/// How it ended that a volume was to be taken from whoever its storage kept it for, or that this
/// was watched.
pub(super) fn how_reserved(ended: &Ended) -> How {
    match (ended.limit, ended.how) {
        (TimeLimit::Kept, HowEnded::Exited(code)) => match reservation::obstacle(code) {
            Some(obstacle) => {
                let words = last_line(&String::from_utf8_lossy(&ended.tail));
                How::of(Mishap::Reservation { obstacle }, words)
            }
            None => how_ended(ended),
        },
        (TimeLimit::Kept | TimeLimit::Exceeded, _) => how_ended(ended),
    }
}

/// The last line that says something, as it can be shown on a terminal.
pub(super) fn last_line(text: &str) -> String {
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    shown(last.unwrap_or_default())
}

/// What a program has said, as it can be shown on a terminal: quotes as they are.
pub(crate) fn shown(text: &str) -> String {
    let one = |c: char| match c {
        '\'' | '"' => c.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(one).collect()
}
