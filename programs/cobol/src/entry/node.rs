//! `gethostname`: the name of the node, which programs of the report ask for.
#![expect(unsafe_code, reason = "memory of the caller")]

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

/// The node's name; until it is known, and in processes that run no programs, the machine's.
static NODE: OnceLock<String> = OnceLock::new();

/// From now on this is the name.
pub fn set(name: &str) {
    // A process has one runtime, so it is set once.
    NODE.get_or_init(|| name.to_owned());
}

/// As in the C library: the name, cut where there is no room, with a zero where there is.
///
/// # Safety
/// There are `length` bytes at `to`.
// SAFETY: no other function of the executable has the name, and the type is the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gethostname(to: *mut c_char, length: usize) -> c_int {
    // SAFETY: it is only bytes, which the call fills.
    let mut machine: libc::utsname = unsafe { std::mem::zeroed() };
    let name = match NODE.get() {
        Some(name) => name.as_bytes(),
        None => {
            // SAFETY: there is room for what it fills, and each text of it ends with a zero.
            unsafe {
                if libc::uname(&raw mut machine) != 0 {
                    return -1;
                }
                CStr::from_ptr(machine.nodename.as_ptr()).to_bytes()
            }
        }
    };
    let fits = name.len().min(length);
    // SAFETY: there are `length` bytes, and no more are written.
    unsafe {
        to.copy_from(name.as_ptr().cast(), fits);
        if fits < length {
            to.add(fits).write(0);
            return 0;
        }
        *libc::__errno_location() = libc::ENAMETOOLONG;
    }
    -1
}
