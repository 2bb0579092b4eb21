//! The host's side of a library: its services, read no further than they are long.
#![expect(unsafe_code, reason = "functions that the library has given")]

use std::error::Error;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::mem::{offset_of, size_of};
use std::ptr;

use crate::code::{Code, DONE};
use crate::table::{self, ABI, Answer, BROKEN, In, KEEP, Out, ServiceAt, Start, Stop};

/// A library that lists more has no end of its list.
pub const SERVICES_MAX: u32 = 256;

/// A service of a library that is loaded and stays loaded.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Unique in its library.
    pub name: String,
    /// Of the interface that it was written for.
    pub interface_hash: Option<String>,
    start: Option<Start>,
    call: Answer,
    stop: Option<Stop>,
}

/// Why a library cannot be used. The index is that of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has no service for a host of [`ABI`].
    NoService,
    /// A service of another ABI.
    Abi {
        /// Which.
        index: u32,
        /// Its ABI.
        abi: u32,
    },
    /// A service that ends before its function `call`, or has null there.
    NoCall {
        /// Which.
        index: u32,
    },
    /// A service whose name is missing, empty or not UTF-8, or whose hash is not UTF-8.
    NoName {
        /// Which.
        index: u32,
    },
    /// Two services have one name.
    Twice {
        /// The second.
        index: u32,
    },
    /// It lists more than [`SERVICES_MAX`].
    Endless,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService => write!(f, "no service for ABI {ABI}"),
            Self::Abi { index, abi } => write!(f, "service {index}: ABI {abi}, not {ABI}"),
            Self::NoCall { index } => write!(f, "service {index}: no function call"),
            Self::NoName { index } => write!(f, "service {index}: no name in UTF-8"),
            Self::Twice { index } => write!(f, "service {index}: its name is there already"),
            Self::Endless => write!(f, "more than {SERVICES_MAX} services"),
        }
    }
}

impl Error for Unfit {}

/// The services of a library, in its order.
///
/// # Errors
/// One of them cannot be used: then none is.
///
/// # Safety
/// `at` is the exported symbol of a library that stays loaded and keeps the rules of the header.
pub unsafe fn services(at: ServiceAt) -> Result<Vec<Listed>, Unfit> {
    let mut out: Vec<Listed> = Vec::new();
    for index in 0..=SERVICES_MAX {
        // SAFETY: the caller says that it is the symbol of the header.
        let service = unsafe { at(ABI, index) };
        if service.is_null() {
            return if out.is_empty() { Err(Unfit::NoService) } else { Ok(out) };
        }
        // SAFETY: not null, so it is a service and stays one.
        let listed = unsafe { read(service, index) }?;
        if out.iter().any(|earlier| earlier.name == listed.name) {
            return Err(Unfit::Twice { index });
        }
        out.push(listed);
    }
    Err(Unfit::Endless)
}

/// # Safety
/// `at` is a service by the rules of the header, of any version and size.
unsafe fn read(at: *const table::Service, index: u32) -> Result<Listed, Unfit> {
    // SAFETY: `abi` and `size` are in every service of every version.
    let (abi, size) = unsafe { ((*at).abi, (*at).size as usize) };
    if abi != ABI {
        return Err(Unfit::Abi { index, abi });
    }
    let has = |offset: usize| size >= offset + size_of::<*const c_void>();
    if !has(offset_of!(table::Service, call)) {
        return Err(Unfit::NoCall { index });
    }
    // SAFETY: all of these are inside of the size, as is `stop` where it is read.
    let (name, hash, start, call, stop) = unsafe {
        let stop = if has(offset_of!(table::Service, stop)) { (*at).stop } else { None };
        ((*at).name, (*at).interface_hash, (*at).start, (*at).call, stop)
    };
    let no_name = || Unfit::NoName { index };
    // SAFETY: each is null or ends with a zero.
    let (name, hash) = unsafe { (text(name), text(hash)) };
    let name = name.map_err(|_| no_name())?.filter(|name| !name.is_empty()).ok_or_else(no_name)?;
    let interface_hash = hash.map_err(|_| no_name())?;
    let call = call.ok_or(Unfit::NoCall { index })?;
    Ok(Listed { name, interface_hash, start, call, stop })
}

/// # Safety
/// `at` is null or a text that ends with a zero.
unsafe fn text(at: *const c_char) -> Result<Option<String>, std::str::Utf8Error> {
    if at.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller says so.
    unsafe { CStr::from_ptr(at) }.to_str().map(|text| Some(text.to_owned()))
}

/// Tells a program what call this is, as far as it knows an info. What the host answers with.
///
/// # Safety
/// `out` is null, or what a program gave by the rules of the header.
pub unsafe fn tell(info: &table::Info, out: *mut table::Info) -> u16 {
    let size = size_of::<table::Info>();
    // SAFETY: not null, so its size is there.
    if out.is_null() || (unsafe { (*out).size } as usize) < size {
        return Code::Mistaken.number();
    }
    // SAFETY: it is as long as it says: as long as this, or longer and of a newer program.
    unsafe { *out = table::Info { size: size as u32, ..*info } };
    DONE
}

/// What a service keeps in this worker between its calls.
#[derive(Debug)]
pub struct State(*mut c_void);

/// How a call ended, as its program says. The host has a mark of its own where it was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'r> {
    /// What it did is kept, and this is the reply.
    Kept(&'r [u8]),
    /// What it did is undone.
    Undone,
    /// The program cannot go on: an abnormal end.
    Broken,
    /// The reply is larger than is allowed, or than its buffer without being anywhere else.
    TooLarge {
        /// How many bytes it says to have.
        len: u64,
    },
}

/// Where a reply goes.
#[derive(Debug)]
pub struct Room<'r> {
    /// What the program may fill: 64 KiB at least.
    pub buffer: &'r mut [u8],
    /// The most that a reply may have, wherever it lies.
    pub most: u64,
}

impl Listed {
    /// Makes it ready in this worker, once and before its first call.
    ///
    /// # Errors
    /// What its program returned instead of [`KEEP`].
    ///
    /// # Safety
    /// `host` is a table by the rules of the header while this runs.
    pub unsafe fn start(&self, host: *const table::Host) -> Result<State, i32> {
        let mut state = ptr::null_mut();
        // SAFETY: the caller says so; there is room for the state.
        let answer = self.start.map_or(KEEP, |start| unsafe { start(host, &raw mut state) });
        if answer == KEEP { Ok(State(state)) } else { Err(answer) }
    }

    /// Has it answer one call. The reply stands until the next call of this service.
    ///
    /// # Safety
    /// As for start, of the same service.
    pub unsafe fn call<'r>(
        &self,
        host: *const table::Host,
        state: &'r mut State,
        body: &[u8],
        room: Room<'r>,
    ) -> Ended<'r> {
        let (given, cap) = (room.buffer.as_mut_ptr(), room.buffer.len() as u64);
        let mut reply = Out { at: given, cap, len: 0 };
        // SAFETY: the caller says so; body and buffer stand while it runs.
        let answer = unsafe { (self.call)(host, state.0, In::of(body), &raw mut reply) };
        match answer {
            KEEP => {}
            BROKEN => return Ended::Broken,
            _ => return Ended::Undone,
        }
        let moved = !ptr::eq(reply.at, given);
        let nowhere = reply.len > 0 && reply.at.is_null();
        if reply.len > room.most || nowhere || (!moved && reply.len > cap) {
            return Ended::TooLarge { len: reply.len };
        }
        // SAFETY: in the buffer it is no longer than that; elsewhere it is the program's memory,
        // which stands until its next call, and that needs the state.
        Ended::Kept(unsafe { table::bytes(reply.at, reply.len) })
    }

    /// Before an orderly end.
    ///
    /// # Safety
    /// The state is that of this service.
    pub unsafe fn stop(&self, state: State) {
        if let Some(stop) = self.stop {
            // SAFETY: the caller says so, and the state is used up.
            unsafe { stop(state.0) }
        }
    }
}
