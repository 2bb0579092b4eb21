//! Answers as they come over the wire: replies, and problem details.

use hyper::HeaderMap;
use hyper::body::Bytes;
use serde::Deserialize;

use crate::retry::{Marks, Wants};
use crate::tries::Course;

/// The type of problem details.
const PROBLEM: &str = "application/problem+json";

/// The reply of a call: the same bytes at every retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its body.
    pub body: Bytes,
    /// The type of its body, as the service names it.
    pub content_type: Option<String>,
    /// How its program ended, where it did not in order: `refused` where it has refused the call
    /// itself, `abnormal-end`, `time-limit`. Nothing that it did stayed then, and the answer is
    /// kept like any reply.
    pub ending: Option<String>,
    /// The node that told it.
    pub node: Option<String>,
    /// The epoch under which it was told.
    pub epoch: Option<u64>,
    /// What it took to get it.
    pub course: Course,
}

/// Why something was refused, or how it ended: problem details (RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Which kind, as an address.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in a line.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What it means and what to do.
    pub detail: String,
    /// The number of the message in the catalogue.
    pub id: String,
    /// Whether asking again is of use, in its own words.
    pub retry: String,
}

impl Problem {
    /// An object, and nothing that only has its values in order.
    fn read(body: &[u8]) -> Option<Self> {
        let fields: serde_json::Map<_, _> = serde_json::from_slice(body).ok()?;
        serde_json::from_value(fields.into()).ok()
    }

    fn wants(&self) -> Option<Wants> {
        match self.retry.as_str() {
            "same-id" => Some(Wants::SameId),
            "elsewhere" => Some(Wants::Elsewhere),
            "never" => Some(Wants::Never),
            _ => None,
        }
    }
}

/// What stands in the head of an answer and in its problem details, where it has any.
pub(crate) fn marks(heads: &HeaderMap, body: &[u8]) -> (Marks, Option<Problem>) {
    let kind = text(heads, "content-type").unwrap_or_default();
    let plain = kind.split(';').next().unwrap_or_default().trim();
    let problem = match plain.eq_ignore_ascii_case(PROBLEM) {
        true => Problem::read(body),
        false => None,
    };
    if heads.contains_key("tsugi-final") {
        return (Marks::Final, problem);
    }
    match problem.as_ref().and_then(Problem::wants) {
        Some(wants) => (Marks::Refusal(wants), problem),
        None => (Marks::Plain, problem),
    }
}

/// The value of a header, where it is text.
pub(crate) fn text(heads: &HeaderMap, name: &str) -> Option<String> {
    heads.get(name)?.to_str().ok().map(str::to_owned)
}

/// The epoch of the store that has answered, where one has.
pub(crate) fn epoch(heads: &HeaderMap) -> Option<u64> {
    text(heads, "tsugi-epoch")?.parse().ok()
}

/// The seconds of `Retry-After`; a date is not looked at.
pub(crate) fn retry_after(heads: &HeaderMap) -> Option<std::time::Duration> {
    let seconds: u32 = text(heads, "retry-after")?.trim().parse().ok()?;
    Some(std::time::Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (hyper::header::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn problem_details_say_whether_to_ask_again() {
        let kind = ("content-type", "application/problem+json; charset=utf-8");
        for (word, wants) in
            [("same-id", Wants::SameId), ("elsewhere", Wants::Elsewhere), ("never", Wants::Never)]
        {
            let body = format!("{{\"retry\":\"{word}\",\"id\":\"TSUG20101-E\",\"more\":[1]}}");
            let (found, problem) = marks(&heads(&[kind]), body.as_bytes());
            assert_eq!(found, Marks::Refusal(wants));
            assert_eq!(problem.map(|p| p.id).as_deref(), Some("TSUG20101-E"));
        }
        let (found, problem) = marks(&heads(&[kind]), b"{\"retry\":\"sometimes\"}");
        assert_eq!((found, problem.is_some()), (Marks::Plain, true));
        for body in ["", "[]", "{\"status\":\"x\"}", "no json"] {
            assert_eq!(marks(&heads(&[kind]), body.as_bytes()), (Marks::Plain, None), "{body}");
        }
        let other = heads(&[("content-type", "application/json")]);
        assert_eq!(marks(&other, b"{\"retry\":\"never\"}"), (Marks::Plain, None));
    }

    #[test]
    fn what_is_final_is_final_whatever_its_details_say() {
        let kind = ("content-type", "application/problem+json");
        let kept = heads(&[("tsugi-final", "abnormal-end"), kind]);
        assert_eq!(marks(&kept, b"{\"retry\":\"same-id\"}").0, Marks::Final);
    }
}
