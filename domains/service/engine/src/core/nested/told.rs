//! What a program is told of a service that it has called, in words of programs.

use tsugi_frames::Code;
use tsugi_service_rules::nested::{self, Came, Told};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::Ending;

use super::Ran;
use crate::core::pools::Ended;
use crate::worker::{Answered, NotCalled};

/// How a nested call has run that has not ended in order.
pub(super) fn ended(how: &Ended) -> Ran {
    let known = serde_json::from_slice::<serde_json::Value>(&how.said.body).unwrap_or_default();
    let text = known["text"].as_str().unwrap_or_default().trim();
    let word = match how.ending {
        Ending::Done | Ending::Abnormal => format!("abnormal {}", known["abnormal"]),
        Ending::Refused => "refused".to_owned(),
        Ending::TimeLimit => "time-limit".to_owned(),
    };
    let text = if text.is_empty() { word } else { format!("{word}: {text}") };
    Ran::Not(Came::Ended(how.ending), text)
}

/// A refusal in words of programs.
pub(super) fn said(refusal: &Refusal) -> String {
    let detail = serde_json::to_value(refusal).unwrap_or_default();
    match &detail["detail"] {
        serde_json::Value::Null => refusal.word().to_owned(),
        detail => format!("{}: {detail}", refusal.word()),
    }
}

pub(super) fn not_begun(refusal: Refusal) -> Answered {
    Answered::NotCalled(refused(refusal))
}

pub(super) fn refused(refusal: Refusal) -> NotCalled {
    let text = match &refusal {
        // What there is in its place.
        Refusal::HoldsWriter => format!("{}: enqueue it", refusal.word()),
        refusal => said(refusal),
    };
    NotCalled { code: code(nested::ended(&Came::NotBegun(refusal)).1).number(), text }
}

pub(super) fn not_called(came: &Came, text: String) -> Answered {
    Answered::NotCalled(NotCalled { code: code(nested::ended(came).1).number(), text })
}

/// What is told, as the program interface spells it.
const fn code(told: Told) -> Code {
    match told {
        Told::Reply => Code::Done,
        Told::Refused => Code::CalleeRefused,
        Told::Failed | Told::Nothing => Code::CalleeFailed,
        Told::Cycle => Code::Cycle,
        Told::TooDeep => Code::TooDeep,
        Told::WriterHeld => Code::WriterHeld,
        Told::NotAllowed => Code::NotAllowed,
        Told::TooLarge => Code::TooLarge,
    }
}
