//! Ids and contents out of what a door has authenticated and read, and as the store has them.

use sha2::{Digest as _, Sha256};
use tsugi_service_rules::id::{
    CallId, Client, Content, Incarnation, InterfaceNumber, Key, Life, OrderKey, Serial,
};
use tsugi_store as store;

/// Who calls, as its door has proved it: a certificate's name, the name of a token's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub String);

/// The first 16 bytes of SHA-256 over parts, each with its length before it: no two lists of parts
/// are the same bytes.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(&whole[..16]);
    first
}

/// The client of this name under this identity.
#[must_use]
pub fn client(identity: &Identity, name: &str) -> Client {
    Client(digest([b"client".as_slice(), identity.0.as_bytes(), name.as_bytes()]))
}

/// A key that somebody of this identity has made up.
#[must_use]
pub fn key(identity: &Identity, key: &str) -> Key {
    Key(digest([b"key".as_slice(), identity.0.as_bytes(), key.as_bytes()]))
}

/// What calls are kept in order by, where a caller says it by this text.
#[must_use]
pub fn order(text: &str) -> OrderKey {
    OrderKey(digest([b"order".as_slice(), text.as_bytes()]))
}

/// The id of the call that another makes as its so-manieth, the same whenever that one runs.
#[must_use]
pub fn child(parent: &str, ordinal: u32) -> CallId {
    let ordinal = ordinal.to_be_bytes();
    CallId::Keyed(Key(digest([b"child".as_slice(), parent.as_bytes(), &ordinal])))
}

/// What a call of a service asks: `canonical` are its values in the one form that the interface
/// has for them.
#[must_use]
pub fn content(service: &str, interface: InterfaceNumber, canonical: &[u8]) -> Content {
    let digest = digest([b"content".as_slice(), service.as_bytes(), canonical]);
    Content { interface, digest }
}

/// A number as a column has it: two numbers never share one.
fn column(number: u64) -> i64 {
    i64::try_from(number).expect("an id is admitted before the store is asked about it")
}

/// An id as the store has it, with the lowest serial that its client has no answer to.
pub(crate) fn stored(id: CallId, lowest: Serial) -> store::Id {
    match id {
        CallId::Keyed(key) => store::Id::Key(store::Key(key.0)),
        CallId::Counted { life, serial } => {
            let incarnation = column(life.incarnation.0);
            let client = store::Client { digest: life.client.0, incarnation };
            let (serial, lowest) = (column(serial.get()), column(lowest.get()));
            let counted = store::Serial::new(client, serial, lowest.min(serial));
            store::Id::Serial(counted.expect("a serial is 1 or more, and its lowest not above"))
        }
    }
}

/// An id that the store has; none of a call that nobody could have admitted.
pub(crate) fn read(id: &store::Id) -> Option<CallId> {
    match id {
        store::Id::Key(key) => Some(CallId::Keyed(Key(key.0))),
        store::Id::Serial(serial) => {
            let store::Client { digest, incarnation } = *serial.client();
            let incarnation = Incarnation(u64::try_from(incarnation).ok()?);
            let life = Life { client: Client(digest), incarnation };
            let serial = Serial::new(u64::try_from(serial.serial()).ok()?)?;
            Some(CallId::Counted { life, serial })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_another_makes_has_the_same_id_whenever_that_runs() {
        assert_eq!(child("c1.1.1", 1), child("c1.1.1", 1));
        assert_ne!(child("c1.1.1", 1), child("c1.1.1", 2));
        assert_ne!(child("c1.1.1", 1), child("c1.1.11", 1));
    }

    #[test]
    fn the_same_name_under_another_identity_is_another_client() {
        let of = |identity: &str, name: &str| client(&Identity(identity.to_owned()), name);
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("a", "b"), of("b", "b"));
        assert_ne!(of("ab", "c"), of("a", "bc"), "where one ends and the other begins counts");
        let made_up = key(&Identity("a".to_owned()), "b");
        assert_ne!(made_up.0, of("a", "b").0);
    }
}
