//! What a request asks: which call, of whom, and how long its caller waits.

use std::time::Duration;

use hyper::HeaderMap;
use tsugi_service_engine::{Identity, names};
use tsugi_service_rules::id::{CallId, Incarnation, Life, OrderKey, Serial};
use tsugi_service_rules::refusal::{Malformed, Refusal};

use crate::grpc::Id;
use crate::told::Told;

const KEY: &str = "idempotency-key";
const CLIENT: &str = "tsugi-client";
const CALL: &str = "tsugi-call";
const LOWEST: &str = "tsugi-lowest";
const PATIENCE: &str = "tsugi-patience";
const ORDER: &str = "tsugi-order";

/// The forms of headers, as callers are told them.
const TEXT_FORM: &str = "[!-~]{1,255}";
const NAME_FORM: &str = "[A-Za-z0-9._-]{1,64}";
const CALL_FORM: &str = "[0-9]+[.][0-9]+";
const NUMBER_FORM: &str = "[0-9]+";

/// The longest text that somebody makes up: a key, an order.
const TEXT_MOST: usize = 255;
/// The longest name of a client.
const NAME_MOST: usize = 64;
/// A client of this name could not be told from a key where an id is one text.
const NOT_A_NAME: &str = "key";

/// The one value of a header; none where it is not there.
fn only<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    form: &'static str,
) -> Result<Option<&'a str>, Told> {
    let mut all = headers.get_all(name).iter();
    let (first, second) = (all.next(), all.next());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Told::Header(name, form)),
        },
        (Some(_), Some(_)) => Err(Told::Header(name, form)),
    }
}

fn is_text(text: &str) -> bool {
    (1..=TEXT_MOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_MOST).contains(&name.len()) && name.bytes().all(fits) && name != NOT_A_NAME
}

/// Digits and nothing else: no sign, no blank.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn counted(client: &str, call: &str, identity: &Identity) -> Option<CallId> {
    let (incarnation, serial) = call.split_once('.')?;
    let serial = Serial::new(number(serial)?)?;
    let client = names::client(identity, client);
    let life = Life { client, incarnation: Incarnation(number(incarnation)?) };
    Some(CallId::Counted { life, serial })
}

/// Which call it is, and the lowest serial that its client has no answer to.
pub(crate) fn id(headers: &HeaderMap, identity: &Identity) -> Result<(CallId, Serial), Told> {
    let key = only(headers, KEY, TEXT_FORM)?;
    let client = only(headers, CLIENT, NAME_FORM)?;
    let call = only(headers, CALL, CALL_FORM)?;
    let lowest = only(headers, LOWEST, NUMBER_FORM)?;
    match (key, client, call, lowest) {
        (Some(key), None, None, None) if is_text(key) => {
            Ok((CallId::Keyed(names::key(identity, key)), Serial::FIRST))
        }
        (Some(_), None, None, None) => Err(Told::Header(KEY, TEXT_FORM)),
        (None, Some(client), Some(call), Some(lowest)) => {
            if !is_name(client) {
                return Err(Told::Header(CLIENT, NAME_FORM));
            }
            let id = counted(client, call, identity).ok_or(Told::Header(CALL, CALL_FORM))?;
            let lowest = number(lowest).and_then(Serial::new);
            Ok((id, lowest.ok_or(Told::Header(LOWEST, NUMBER_FORM))?))
        }
        _ => Err(Told::WithoutId),
    }
}

/// The id that a text names: `key:TEXT` or `NAME:INCARNATION.SERIAL`.
pub(crate) fn id_of_text(text: &str, identity: &Identity) -> Result<CallId, Told> {
    let refused = || Told::Refused(Refusal::Malformed(Malformed::Id));
    let (kind, rest) = text.split_once(':').ok_or_else(refused)?;
    match kind {
        NOT_A_NAME if is_text(rest) => Ok(CallId::Keyed(names::key(identity, rest))),
        name if is_name(name) => counted(name, rest, identity).ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// How long the caller waits: as it says, at most the most.
pub(crate) fn patience(
    headers: &HeaderMap,
    usual: Duration,
    most: Duration,
) -> Result<Duration, Told> {
    match only(headers, PATIENCE, NUMBER_FORM)? {
        None => Ok(usual),
        Some(text) => {
            let millis = number(text).ok_or(Told::Header(PATIENCE, NUMBER_FORM))?;
            Ok(Duration::from_millis(millis).min(most))
        }
    }
}

/// What the call is kept in order by.
pub(crate) fn order(headers: &HeaderMap) -> Result<Option<OrderKey>, Told> {
    match only(headers, ORDER, TEXT_FORM)? {
        None => Ok(None),
        Some(text) => order_of(text).map(Some),
    }
}

/// What calls of this text are kept in order by.
pub(crate) fn order_of(text: &str) -> Result<OrderKey, Told> {
    if is_text(text) { Ok(names::order(text)) } else { Err(Told::Header(ORDER, TEXT_FORM)) }
}

/// The id that a word of gRPC names.
pub(crate) fn id_of_word(id: &Id, identity: &Identity) -> Result<CallId, Told> {
    let malformed = Told::Refused(Refusal::Malformed(Malformed::Id));
    match id {
        Id::Key(key) if is_text(key) => Ok(CallId::Keyed(names::key(identity, key))),
        Id::Counted(counted) if is_name(&counted.client) => {
            let serial = Serial::new(counted.serial).ok_or(malformed)?;
            let client = names::client(identity, &counted.client);
            let life = Life { client, incarnation: Incarnation(counted.incarnation) };
            Ok(CallId::Counted { life, serial })
        }
        Id::Key(_) | Id::Counted(_) => Err(malformed),
    }
}

/// The lowest serial without an answer, as a word of gRPC tells it: a key has none.
pub(crate) fn lowest_of(id: &Id, lowest: u64) -> Result<Serial, Told> {
    match (id, Serial::new(lowest)) {
        (Id::Key(_), None) => Ok(Serial::FIRST),
        (Id::Counted(_), Some(lowest)) => Ok(lowest),
        (Id::Key(_), Some(_)) | (Id::Counted(_), None) => Err(Told::WithoutId),
    }
}

/// A part of a path with its `%` escapes undone; none where they are wrong or are no text.
pub(crate) fn unescaped(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    fn me() -> Identity {
        Identity("me".to_owned())
    }

    #[test]
    fn an_id_is_a_key_or_three_headers_and_never_both() {
        let of = |all: &[(&'static str, &str)]| id(&headers(all), &me());
        let keyed = of(&[(KEY, "order-1")]).unwrap().0;
        assert_eq!(keyed, CallId::Keyed(names::key(&me(), "order-1")));
        let three = [(CLIENT, "till.7"), (CALL, "3.41"), (LOWEST, "40")];
        let (counted, lowest) = of(&three).unwrap();
        let (life, serial) = counted.counted().unwrap();
        assert_eq!((life.incarnation.0, serial.get(), lowest.get()), (3, 41, 40));
        assert_eq!(life.client, names::client(&me(), "till.7"));
        for wrong in [
            &[][..],
            &[(KEY, "a"), (CLIENT, "b")],
            &[(KEY, "a"), (CLIENT, "till"), (CALL, "1.1"), (LOWEST, "1")],
            &three[..2],
            &three[1..],
        ] {
            assert_eq!(of(wrong), Err(Told::WithoutId), "{wrong:?}");
        }
    }

    #[test]
    fn a_header_of_another_form_is_refused_by_its_name() {
        let name_of = |all: &[(&'static str, &str)]| match id(&headers(all), &me()) {
            Err(Told::Header(name, _)) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name_of(&[(KEY, "a b")]), KEY);
        assert_eq!(name_of(&[(KEY, "")]), KEY);
        assert_eq!(name_of(&[(KEY, &"k".repeat(256))]), KEY);
        assert_eq!(name_of(&[(KEY, "a"), (KEY, "b")]), KEY, "twice");
        assert_eq!(name_of(&[(CLIENT, "a:b"), (CALL, "1.1"), (LOWEST, "1")]), CLIENT);
        assert_eq!(name_of(&[(CLIENT, "key"), (CALL, "1.1"), (LOWEST, "1")]), CLIENT);
        for call in ["1", "1.0", "+1.1", "1.-1", "1.1 ", "a.1", "1.99999999999999999999"] {
            assert_eq!(name_of(&[(CLIENT, "a"), (CALL, call), (LOWEST, "1")]), CALL, "{call}");
        }
        assert_eq!(name_of(&[(CLIENT, "a"), (CALL, "1.1"), (LOWEST, "0")]), LOWEST);
    }

    #[test]
    fn an_id_as_text_is_the_same_id() {
        let three = [(CLIENT, "till"), (CALL, "3.41"), (LOWEST, "1")];
        let counted = id(&headers(&three), &me()).unwrap().0;
        assert_eq!(id_of_text("till:3.41", &me()), Ok(counted));
        let keyed = id(&headers(&[(KEY, "a:b/c")]), &me()).unwrap().0;
        let escaped = unescaped("key:a%3Ab%2fc").unwrap();
        assert_eq!(id_of_text(&escaped, &me()), Ok(keyed));
        for wrong in ["", "till", "till:3", "key:", "a b:1.1", "till:3.0"] {
            assert!(id_of_text(wrong, &me()).is_err(), "{wrong}");
        }
        for wrong in ["%", "%1", "%zz", "%ff"] {
            assert_eq!(unescaped(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn patience_is_bounded() {
        let (usual, most) = (Duration::from_secs(3), Duration::from_secs(9));
        let of = |all: &[(&'static str, &str)]| patience(&headers(all), usual, most);
        assert_eq!(of(&[]), Ok(usual));
        assert_eq!(of(&[(PATIENCE, "20")]), Ok(Duration::from_millis(20)));
        assert_eq!(of(&[(PATIENCE, "999999")]), Ok(most));
        assert!(of(&[(PATIENCE, "1s")]).is_err());
    }
}
