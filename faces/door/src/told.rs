//! What a caller is told instead of a reply: one table of status, message and retry.

use std::borrow::Cow;

use hyper::StatusCode;
use tsugi_messages::{self as messages, Language, Message, phrase};
use tsugi_service_rules::refusal::{Busy, GrpcCode, Malformed, Refusal, Retry};

use crate::cause;

/// What a caller is told instead of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is pending.
    Pending,
    /// It was refused as the rules have it.
    Refused(Refusal),
    /// It has no id, or two.
    WithoutId,
    /// A header is not of this form.
    Header(&'static str, &'static str),
    /// Nobody knows who calls.
    Nobody,
    /// The token is none of ours.
    WrongToken,
    /// There is no such page.
    NoPage,
    /// The page has another method, this one.
    OtherMethod(&'static str),
    /// The body is of another kind.
    NotJson,
    /// The body did not come within so many milliseconds.
    SlowBody(u64),
}

/// Whether a call may be asked for again under its id, as callers are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Yes, here, after so many seconds.
    SameId(u16),
    /// Yes, at whoever has the store, after so many seconds.
    Elsewhere(u16),
    /// No: it will be told the same.
    Never,
}

impl Again {
    /// Its word on the wire.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::SameId(_) => "same-id",
            Self::Elsewhere(_) => "elsewhere",
            Self::Never => "never",
        }
    }

    /// After how many seconds.
    pub(crate) const fn after(self) -> Option<u16> {
        match self {
            Self::SameId(seconds) | Self::Elsewhere(seconds) => Some(seconds),
            Self::Never => None,
        }
    }

    /// Seconds are few where the cause goes by itself, and more where a person has to do something.
    const fn of(refusal: &Refusal) -> Self {
        match refusal.retry() {
            Retry::No => Self::Never,
            Retry::Elsewhere => Self::Elsewhere(1),
            Retry::OnceDecided => Self::SameId(30),
            Retry::NewDeadline => Self::SameId(1),
            Retry::Here => match refusal {
                Refusal::Blocked { .. }
                | Refusal::NotDeployed { .. }
                | Refusal::StoreAway { .. }
                | Refusal::NoWorker { .. }
                | Refusal::TooManyClients { .. }
                | Refusal::Busy(Busy::NotComparable) => Self::SameId(10),
                _ => Self::SameId(1),
            },
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) status: StatusCode,
    /// Its code in gRPC.
    pub(crate) grpc: u16,
    /// One word for programs; never changes.
    pub(crate) word: &'static str,
    pub(crate) again: Again,
    pub(crate) message: Message,
}

impl Told {
    /// Its code in gRPC.
    fn grpc(&self) -> u16 {
        const INTERNAL: u16 = 13;
        const UNIMPLEMENTED: u16 = 12;
        const UNAUTHENTICATED: u16 = 16;
        match self {
            Self::Refused(refusal) => refusal.grpc().map_or(INTERNAL, |code| code as u16),
            Self::Pending | Self::SlowBody(_) => GrpcCode::DeadlineExceeded as u16,
            Self::WithoutId | Self::Header(..) | Self::NotJson => GrpcCode::InvalidArgument as u16,
            Self::Nobody | Self::WrongToken => UNAUTHENTICATED,
            Self::NoPage | Self::OtherMethod(_) => UNIMPLEMENTED,
        }
    }

    /// Its line of the table.
    pub(crate) fn line(&self, node: &str, language: Language) -> Line {
        let of = |status, word, again, message| {
            let grpc = self.grpc();
            Line { status, grpc, word, again, message }
        };
        let never = Again::Never;
        match self {
            Self::Pending => {
                of(StatusCode::ACCEPTED, "pending", Again::SameId(1), messages::call_pending())
            }
            Self::Refused(refusal) => {
                let status = refusal.http().and_then(|code| StatusCode::from_u16(code).ok());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                of(status, refusal.word(), Again::of(refusal), message(refusal, node, language))
            }
            Self::WithoutId => {
                of(StatusCode::BAD_REQUEST, "without-id", never, messages::call_without_id())
            }
            Self::Header(name, form) => {
                let message = messages::call_header_unreadable(name, form);
                of(StatusCode::BAD_REQUEST, "malformed", never, message)
            }
            Self::Nobody => {
                let message = messages::caller_without_identity();
                of(StatusCode::UNAUTHORIZED, "without-identity", never, message)
            }
            Self::WrongToken => {
                of(StatusCode::UNAUTHORIZED, "wrong-token", never, messages::caller_token_wrong())
            }
            Self::NoPage => {
                of(StatusCode::NOT_FOUND, "no-such-page", never, messages::page_not_there())
            }
            Self::OtherMethod(method) => {
                let message = messages::method_not_for_page(method);
                of(StatusCode::METHOD_NOT_ALLOWED, "other-method", never, message)
            }
            Self::NotJson => {
                let message = messages::call_body_not_json();
                of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", never, message)
            }
            Self::SlowBody(millis) => {
                let message = messages::call_body_too_slow(*millis);
                of(StatusCode::REQUEST_TIMEOUT, "slow-body", Again::SameId(1), message)
            }
        }
    }
}

/// How much of what a caller has said is told back to it, in bytes.
const SHOWN_MOST: usize = 300;

/// The begin of what a caller has said. All of it may be as long as a body, and by gRPC it is told
/// in a header: one that is too long ends the connection with all its other calls.
fn shown(said: &str) -> Cow<'_, str> {
    if said.len() <= SHOWN_MOST {
        return Cow::Borrowed(said);
    }
    let mut end = SHOWN_MOST;
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", said.get(..end).unwrap_or_default()))
}

/// The message of a refusal of the rules.
fn message(refusal: &Refusal, node: &str, language: Language) -> Message {
    match refusal {
        Refusal::Malformed(malformed) => match malformed {
            Malformed::Id => messages::call_id_unreadable(),
            Malformed::Header => messages::call_header_unreadable("Tsugi-*", "RFC 9110"),
            Malformed::Body => messages::call_body_unreadable(),
            Malformed::LowestAboveOwn => messages::call_lowest_above_own(),
            Malformed::AnsweredWhilePending { serial } => {
                let serial = serial.map_or_else(|| "key".to_owned(), |own| own.get().to_string());
                messages::call_answered_while_pending(serial)
            }
        },
        Refusal::NotOpenHere => messages::store_not_open_here(node),
        Refusal::NoSuchService { service } => messages::service_not_there(shown(service)),
        Refusal::NotFound => messages::call_not_there(),
        Refusal::TooLarge { size, most } => messages::call_body_too_large(size, *most),
        Refusal::DoesNotFit { field, why } => {
            messages::call_value_does_not_fit(shown(field), shown(why))
        }
        Refusal::Expired(_) => messages::call_expired(),
        Refusal::OtherBody => messages::call_of_other_content(),
        Refusal::Unknown => messages::call_unknown(),
        Refusal::Forgotten => messages::call_forgotten(),
        Refusal::Busy(Busy::NotComparable) => messages::call_not_comparable(),
        Refusal::Busy(_) => messages::call_busy(),
        Refusal::Moving => messages::group_is_moving(node),
        Refusal::Blocked { by, reason } => messages::service_blocked(by, reason),
        Refusal::NotDeployed { why } => messages::service_not_deployed(cause::words(why, language)),
        Refusal::StoreAway { why } => messages::store_takes_nothing(why),
        Refusal::NoWorker { why } => messages::service_without_worker(cause::words(why, language)),
        Refusal::WindowFull { lowest, most } => messages::call_window_full(lowest.get(), *most),
        Refusal::TooManyClients { most } => messages::store_clients_full(*most),
        Refusal::Full(_) => messages::calls_full(),
        Refusal::TooLate { .. } => messages::call_too_late(),
        Refusal::Decided => messages::call_decided(),
        Refusal::Cycle { .. }
        | Refusal::TooDeep { .. }
        | Refusal::HoldsWriter
        | Refusal::OnlyReads { .. }
        | Refusal::ActsOutside { .. } => messages::call_refused_to_program(refusal.word()),
    }
}

impl Line {
    /// What happened, what that means, what to do.
    pub(crate) fn detail(&self, language: Language) -> String {
        let between = match language {
            Language::Ja => "。",
            Language::En => ". ",
        };
        let (text, system) = (self.message.text(language), self.message.system(language));
        format!("{text}{between}{system} {}", self.message.operator(language))
    }

    /// As problem details of RFC 9457.
    pub(crate) fn problem(&self, language: Language) -> Vec<u8> {
        let title = match self.status {
            StatusCode::ACCEPTED => phrase::problem_pending(),
            StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::REQUEST_TIMEOUT => phrase::problem_request(),
            _ => phrase::problem_refused(),
        };
        let problem = serde_json::json!({
            "type": format!("urn:tsugi:refusal:{}", self.word),
            "title": title.text(language),
            "status": self.status.as_u16(),
            "detail": self.detail(language),
            "id": self.message.id(),
            "retry": self.again.word(),
        });
        problem.to_string().into_bytes()
    }
}

/// Which of the two languages a caller reads best; English where it says nothing of either.
pub(crate) fn language(accepted: Option<&str>) -> Language {
    let weight = |language: &str| {
        let ranges = accepted.unwrap_or_default().split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?.split('-').next()?;
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let quality = quality.map_or(Some(1.0), |text| text.parse::<f32>().ok())?;
            name.eq_ignore_ascii_case(language).then_some(quality)
        });
        ranges.fold(0.0_f32, f32::max)
    };
    if weight("ja") > weight("en") { Language::Ja } else { Language::En }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_weighs_more() {
        assert_eq!(language(None), Language::En);
        assert_eq!(language(Some("ja")), Language::Ja);
        assert_eq!(language(Some("en-GB, ja;q=0.9")), Language::En);
        assert_eq!(language(Some("fr, ja-JP;q=0.5, en;q=0.4")), Language::Ja);
        assert_eq!(language(Some("ja;q=x,,;q=1")), Language::En, "nonsense weighs nothing");
    }

    #[test]
    fn what_a_caller_has_said_is_told_back_only_in_part() {
        let long = "値".repeat(1 << 20);
        let told = |refusal| Told::Refused(refusal).line("alpha", Language::En);
        let service = told(Refusal::NoSuchService { service: long.clone() });
        let value = told(Refusal::DoesNotFit { field: long.clone(), why: long });
        for line in [service, value] {
            let detail = line.detail(Language::En);
            assert!(detail.len() < 1_000 && detail.contains("値…"), "{}", detail.len());
        }
    }

    #[test]
    fn a_problem_names_its_message_and_its_retry_in_both_languages() {
        let line = Told::Refused(Refusal::NotOpenHere).line("alpha", Language::En);
        assert_eq!((line.status.as_u16(), line.again), (503, Again::Elsewhere(1)));
        let read = |language| -> serde_json::Value {
            serde_json::from_slice(&line.problem(language)).expect("it is JSON")
        };
        let (en, ja) = (read(Language::En), read(Language::Ja));
        assert_eq!(en["id"], "TSUG20107-E");
        assert_eq!(en["retry"], "elsewhere");
        assert_eq!(en["type"], "urn:tsugi:refusal:not-open-here");
        assert!(en["detail"].as_str().unwrap().contains("alpha"), "{en}");
        assert_ne!(en["detail"], ja["detail"]);
        assert_ne!(en["title"], ja["title"]);
    }
}
