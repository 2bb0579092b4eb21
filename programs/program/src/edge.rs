//! The edge between a service in Rust and its host: nothing unwinds over it.
#![expect(unsafe_code, reason = "pointers that the host has given")]

use std::ffi::{CStr, c_char, c_void};
use std::mem::{forget, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::code::NotDone;
use crate::host::Host;
use crate::table::{self, BROKEN, In, KEEP, Out, UNDO};

/// Why a call is undone. Made by [`Host::abort`], or by `?` of an operation that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    why: String,
}

impl Abort {
    pub(crate) fn new(why: &str) -> Self {
        Self { why: why.to_owned() }
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl From<NotDone> for Abort {
    fn from(not_done: NotDone) -> Self {
        Self { why: not_done.to_string() }
    }
}

/// A service, as [`services!`](crate::services) makes it of a function.
pub trait Service {
    /// Answers one call.
    ///
    /// # Errors
    /// The call is to be undone.
    fn answer(host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort>;
}

/// Makes functions the services of a library, each by its name. A library says it once.
///
/// `"NAME" => function` or `"NAME" (interface "hash") => function`, where the function is
/// `fn(&mut Host<'_>, &[u8]) -> Result<Vec<u8>, Abort>` and the hash is that of the interface that
/// it was written for.
#[macro_export]
macro_rules! services {
    ($($name:literal $((interface $hash:literal))? => $function:path),+ $(,)?) => {
        /// The services of this library, for its host.
        // SAFETY: a library has one symbol of this name, and all of its services are listed here.
        #[unsafe(no_mangle)]
        pub extern "C" fn tsugi_service_at(
            host_abi: u32,
            index: u32,
        ) -> *const $crate::table::Service {
            static SERVICES: &[$crate::table::Service] = &[$({
                struct Listed;
                impl $crate::Service for Listed {
                    fn answer(
                        host: &mut $crate::Host<'_>,
                        body: &[u8],
                    ) -> Result<Vec<u8>, $crate::Abort> {
                        $function(host, body)
                    }
                }
                let hash: &[&str] = &[$(concat!($hash, "\0"))?];
                $crate::described::<Listed>(concat!($name, "\0"), hash)
            }),+];
            $crate::at(SERVICES, host_abi, index)
        }
    };
}

/// What [`services!`](crate::services) lists of one service.
///
/// # Panics
/// When it is compiled, where a name or a hash has a zero inside.
#[must_use]
pub const fn described<S: Service>(name: &'static str, hash: &[&'static str]) -> table::Service {
    table::Service {
        abi: table::ABI,
        size: size_of::<table::Service>() as u32,
        name: zero_ended(name),
        interface_hash: if let [hash] = hash { zero_ended(hash) } else { ptr::null() },
        start: Some(start),
        call: Some(call::<S>),
        stop: Some(stop),
    }
}

const fn zero_ended(text: &'static str) -> *const c_char {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text.as_ptr(),
        Err(_) => panic!("a name has no zero inside"),
    }
}

/// What the one exported symbol answers.
#[must_use]
pub fn at(services: &'static [table::Service], host_abi: u32, index: u32) -> *const table::Service {
    let listed = usize::try_from(index).ok().and_then(|index| services.get(index));
    listed.filter(|_| host_abi == table::ABI).map_or(ptr::null(), ptr::from_ref)
}

/// What a service keeps from start to stop: its last reply, which stands until its next call.
type Reply = Vec<u8>;

// SAFETY: called by a host that keeps the rules of the header, as are the other two.
unsafe extern "C" fn start(_host: *const table::Host, state: *mut *mut c_void) -> i32 {
    if state.is_null() {
        return BROKEN;
    }
    let reply = Box::new(Reply::new());
    // SAFETY: not null, so there is room for a pointer.
    unsafe { *state = Box::into_raw(reply).cast() };
    KEEP
}

// SAFETY: as above; `state` is what start has set.
unsafe extern "C" fn call<S: Service>(
    host: *const table::Host,
    state: *mut c_void,
    body: In,
    reply: *mut Out,
) -> i32 {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the host's table and body stand while this runs, and the borrows end with it.
        let (host, body) = unsafe { (Host::over(host), table::bytes(body.at, body.len)) };
        host.map(|mut host| answer::<S>(&mut host, body))
    }));
    match answered {
        Ok(Some(Ok(bytes))) if !state.is_null() && !reply.is_null() => {
            // SAFETY: start has set the state to a reply, and nobody else has it now.
            let kept = unsafe { &mut *state.cast::<Reply>() };
            *kept = bytes;
            let (cap, len) = (kept.capacity() as u64, kept.len() as u64);
            // SAFETY: not null, so it is the host's. The reply stays in memory of this library,
            // however large it is: nothing is run twice for a buffer that was too small.
            unsafe { *reply = Out { at: kept.as_mut_ptr(), cap, len } };
            KEEP
        }
        Ok(Some(Err(_))) => UNDO,
        Ok(Some(Ok(_)) | None) => BROKEN,
        Err(panic) => {
            // The panic has been told on standard error. What it carries may panic when dropped.
            forget(panic);
            BROKEN
        }
    }
}

/// The service's answer, and its host told why where there is none.
fn answer<S: Service>(host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort> {
    S::answer(host, body).map_err(|abort| host.abort(&abort.why))
}

// SAFETY: as above; after it nobody uses the state or the last reply.
unsafe extern "C" fn stop(state: *mut c_void) {
    if !state.is_null() {
        // SAFETY: start has made it, and stop is called once.
        drop(unsafe { Box::from_raw(state.cast::<Reply>()) });
    }
}
