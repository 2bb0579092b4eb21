//! Lists: how many there may be of each thing, looked at before the next one is taken.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::bytes::Bytes;
use crate::file::Record;
use crate::frame::{Call, File, Hash, Key, Open, Outcome, Part, Reply, Service};
use crate::limits::{KEYS, LISTED, Limits, PARTS, RECORDS};
use crate::operation::Asked;

/// What stands in lists.
pub trait Listed {
    /// How many there are at most in one list, whatever the engine's limits are.
    const MOST: u16;
}

macro_rules! listed {
    ($($type:ty: $most:expr;)*) => {
        $(impl Listed for $type { const MOST: u16 = $most; })*
    };
}

listed! {
    Service<'_>: LISTED;
    File<'_>: LISTED;
    Key: KEYS;
    Part: PARTS;
    Hash: LISTED;
    Open: LISTED;
    Call<'_>: Limits::DEFAULT.calls;
    Reply<'_>: Limits::DEFAULT.calls;
    Asked<'_>: Limits::DEFAULT.operations;
    Outcome<'_>: Limits::DEFAULT.operations;
    Bytes<'_>: Limits::DEFAULT.parameters;
    u32: Limits::DEFAULT.parameters;
    Record<'_>: RECORDS;
}

/// Reads a list of an object in a line.
pub(crate) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Listed,
{
    struct Few<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Listed> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(out, "at most {}", T::MOST)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(one) = from.next_element()? {
                if list.len() >= usize::from(T::MOST) {
                    return Err(A::Error::invalid_length(list.len() + 1, &self));
                }
                list.push(one);
            }
            Ok(list)
        }
    }

    from.deserialize_seq(Few(PhantomData))
}
