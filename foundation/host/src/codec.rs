//! The bytes of the local sockets: fixed order, bounded lengths, a version first.
//!
//! Numbers are little-endian; a list is its count as `u32` and its items; a choice is one byte
//! and its fields. A count is checked against the bytes that are there before anything is
//! allocated, so a message cannot cost more memory than it has bytes (SEC5).

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName, Span};

/// The version of the format, the first byte of every message.
pub const VERSION: u8 = 1;

/// A message that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is of another version.
    #[error("the message has version {0}, this side reads 1")]
    Version(u8),
    /// It ends early.
    #[error("the message ends early")]
    Short,
    /// Something follows its end.
    #[error("the message has {0} bytes too many")]
    Long(usize),
    /// A choice that this version does not know, a text that is none, a name that is none.
    #[error("the message holds an unknown {0}")]
    Unknown(&'static str),
}

/// What can be written to and read from a message.
pub trait Coded: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes it off the front.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable>;
}

/// A whole message: version, then `value`.
#[must_use]
pub fn message<T: Coded>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    value.put(&mut bytes);
    bytes
}

/// Reads a whole message, with nothing left over.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read<T: Coded>(bytes: &[u8]) -> Result<T, Unreadable> {
    let (version, mut rest) = bytes.split_first().ok_or(Unreadable::Short)?;
    if *version != VERSION {
        return Err(Unreadable::Version(*version));
    }
    let value = T::get(&mut rest)?;
    if rest.is_empty() { Ok(value) } else { Err(Unreadable::Long(rest.len())) }
}

/// Takes `n` bytes off the front.
fn take<'a>(from: &mut &'a [u8], n: usize) -> Result<&'a [u8], Unreadable> {
    let (head, rest) = from.split_at_checked(n).ok_or(Unreadable::Short)?;
    *from = rest;
    Ok(head)
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Coded for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
                let bytes = take(from, size_of::<$number>())?;
                Ok(Self::from_le_bytes(bytes.try_into().expect("as many as asked for")))
            }
        }
    )*};
}
number!(u8, u16, u32, u64, i32);

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u32::try_from(self.len()).expect("a message is shorter than 4 GiB").put(to);
        for item in self {
            item.put(to);
        }
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        let count = u32::get(from)? as usize;
        // Every item has at least one byte.
        if count > from.len() {
            return Err(Unreadable::Short);
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::get(from)?);
        }
        Ok(items)
    }
}

impl Coded for String {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_bytes().to_vec().put(to);
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        Self::from_utf8(Vec::get(from)?).map_err(|_| Unreadable::Unknown("text"))
    }
}

impl Coded for PathBuf {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_os_str().as_bytes().to_vec().put(to);
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        Ok(Self::from(OsString::from_vec(Vec::get(from)?)))
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            None => to.push(0),
            Some(value) => {
                to.push(1);
                value.put(to);
            }
        }
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        match u8::get(from)? {
            0 => Ok(None),
            1 => Ok(Some(T::get(from)?)),
            _ => Err(Unreadable::Unknown("option")),
        }
    }
}

impl<T: Coded, E: Coded> Coded for Result<T, E> {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Ok(value) => {
                to.push(0);
                value.put(to);
            }
            Err(error) => {
                to.push(1);
                error.put(to);
            }
        }
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        match u8::get(from)? {
            0 => Ok(Ok(T::get(from)?)),
            1 => Ok(Err(E::get(from)?)),
            _ => Err(Unreadable::Unknown("result")),
        }
    }
}

impl<A: Coded, B: Coded> Coded for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

impl<A: Coded, B: Coded, C: Coded> Coded for (A, B, C) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
        self.2.put(to);
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        Ok((A::get(from)?, B::get(from)?, C::get(from)?))
    }
}

impl Coded for [u8; 6] {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        Ok(take(from, 6)?.try_into().expect("as many as asked for"))
    }
}

impl Coded for IpAddr {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::V4(address) => {
                to.push(4);
                to.extend_from_slice(&address.octets());
            }
            Self::V6(address) => {
                to.push(6);
                to.extend_from_slice(&address.octets());
            }
        }
    }
    fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
        match u8::get(from)? {
            4 => {
                let octets: [u8; 4] = take(from, 4)?.try_into().expect("as many as asked for");
                Ok(Self::V4(Ipv4Addr::from(octets)))
            }
            6 => {
                let octets: [u8; 16] = take(from, 16)?.try_into().expect("as many as asked for");
                Ok(Self::V6(Ipv6Addr::from(octets)))
            }
            _ => Err(Unreadable::Unknown("family of address")),
        }
    }
}

macro_rules! name {
    ($($name:ty),*) => {$(
        impl Coded for $name {
            fn put(&self, to: &mut Vec<u8>) {
                self.as_str().to_owned().put(to);
            }
            fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
                Self::new(&String::get(from)?).map_err(|_| Unreadable::Unknown("name"))
            }
        }
    )*};
}
name!(GroupName, ResourceName);

macro_rules! wrapped {
    ($($name:ty),*) => {$(
        impl Coded for $name {
            fn put(&self, to: &mut Vec<u8>) {
                self.0.put(to);
            }
            fn get(from: &mut &[u8]) -> Result<Self, Unreadable> {
                Ok(Self(Coded::get(from)?))
            }
        }
    )*};
}
wrapped!(Moment, Span, crate::request::RequestId);

/// Writes out `Coded` for a struct with these fields.
macro_rules! coded_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Coded for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $($crate::codec::Coded::put(&self.$field, to);)*
            }
            fn get(from: &mut &[u8]) -> Result<Self, $crate::codec::Unreadable> {
                Ok(Self { $($field: $crate::codec::Coded::get(from)?),* })
            }
        }
    };
}

/// Writes out `Coded` for an enum; the number of a choice is never used again for another.
macro_rules! coded_enum {
    ($name:ident { $($number:literal = $variant:ident
        $(($($item:ident),*))? $({ $($field:ident),* })?),* $(,)? }) => {
        impl $crate::codec::Coded for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($item),*))? $({ $($field),* })? => {
                        to.push($number);
                        $($($crate::codec::Coded::put($item, to);)*)?
                        $($($crate::codec::Coded::put($field, to);)*)?
                    })*
                }
            }
            fn get(from: &mut &[u8]) -> Result<Self, $crate::codec::Unreadable> {
                match <u8 as $crate::codec::Coded>::get(from)? {
                    $($number => {
                        $($(let $item = $crate::codec::Coded::get(from)?;)*)?
                        $($(let $field = $crate::codec::Coded::get(from)?;)*)?
                        Ok(Self::$variant $(($($item),*))? $({ $($field),* })?)
                    })*
                    _ => Err($crate::codec::Unreadable::Unknown(stringify!($name))),
                }
            }
        }
    };
}

pub(crate) use {coded_enum, coded_struct};

coded_struct!(Epoch { incarnation, counter });
