//! libcob 3.1 as it lies in memory: the structures of its header and the functions that are called.
//!
//! Members are named as what they hold; a test compares every place with the header.
#![expect(unsafe_code, reason = "functions of libcob, and what its structures point at")]

#[cfg(test)]
mod layout;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// What the version of libcob begins with, as it says itself.
pub const VERSION: &str = "3.1.";
/// The library, as the loader finds it.
pub const LIBRARY: &str = "libcob.so.4";

/// What a field is.
#[repr(C)]
#[derive(Debug)]
pub struct Attributes {
    pub kind: u16,
    pub digits: u16,
    pub scale: i16,
    pub flags: u16,
    pub picture: *const c_void,
}

/// A field: where it is, and what it is.
#[repr(C)]
#[derive(Debug)]
pub struct Field {
    pub size: usize,
    pub data: *mut u8,
    pub attributes: *const Attributes,
}

/// A key of a file.
#[repr(C)]
#[derive(Debug)]
pub struct Key {
    pub field: *mut Field,
    pub flag: c_int,
    pub duplicates: c_int,
    pub ascending: c_int,
    pub suppress: c_int,
    pub suppressed: c_int,
    pub offset: c_uint,
    pub count: c_int,
    pub parts: [*mut Field; 8],
}

/// A file.
#[repr(C)]
#[derive(Debug)]
pub struct File {
    pub select_name: *const c_char,
    pub status: *mut u8,
    pub assign: *mut Field,
    pub record: *mut Field,
    pub depending: *mut Field,
    pub keys: *mut Key,
    pub file: *mut c_void,
    pub linage: *mut Linage,
    pub collating: *const u8,
    pub external: *mut c_void,
    pub shortest: usize,
    pub longest: usize,
    pub key_count: usize,
    pub descriptor: c_int,
    pub organization: u8,
    pub access: u8,
    pub lock: u8,
    pub open: u8,
    pub optional: u8,
    pub last_open: u8,
    pub operation: u8,
    pub nonexistent: u8,
    pub end: u8,
    pub beginning: u8,
    pub first_read: u8,
    pub read_done: u8,
    pub features: u8,
    pub needs_line: u8,
    pub needs_top: u8,
    pub version: u8,
    pub advancing: u8,
    pub current_key: i16,
    pub mapped_key: i16,
}

/// LINAGE of a file: its items, which are null where FD does not say them, and the page as it was
/// taken last.
#[repr(C)]
#[derive(Debug)]
pub struct Linage {
    pub lines: *mut Field,
    pub counter: *mut Field,
    pub footing: *mut Field,
    pub top: *mut Field,
    pub bottom: *mut Field,
    pub page_lines: c_int,
    pub page_footing: c_int,
    pub page_top: c_int,
    pub page_bottom: c_int,
}

/// What libcob knows of the run, as far as it is used.
#[repr(C)]
#[derive(Debug)]
pub struct Global {
    pub error_file: *mut File,
    pub between: [*mut c_void; 14],
    pub exception: c_int,
    pub parameters: c_int,
}

/// What the type of a field says.
pub mod kind {
    /// Set in all numbers.
    pub const NUMERIC: u16 = 0x10;
    /// COMP-1.
    pub const FLOAT: u16 = 0x13;
    /// COMP-2.
    pub const DOUBLE: u16 = 0x14;
    /// COMP-5.
    pub const NATIVE: u16 = 0x1b;
    /// Set in PIC N.
    pub const NATIONAL: u16 = 0x40;
    /// Flag: the bytes and not the digits say how much a binary number holds.
    pub const REAL_BINARY: u16 = 0x40;
}

/// What a file says of itself.
pub mod feature {
    /// LINAGE.
    pub const LINAGE: u8 = 1 << 2;
    /// Keyboard or display.
    pub const STANDARD: u8 = 1 << 4 | 1 << 5;
}

// SAFETY: all as in libcob/common.h of 3.1.2; called on the thread that has called cob_init.
type OpenFile = unsafe extern "C" fn(*mut File, c_int, c_int, *mut Field);
type CloseFile = unsafe extern "C" fn(*mut File, *mut Field, c_int, c_int);
type StartFile = unsafe extern "C" fn(*mut File, c_int, *mut Field, *mut Field, *mut Field);
// SAFETY: as above.
type ReadFile = unsafe extern "C" fn(*mut File, *mut Field, *mut Field, c_int);
type ReadNext = unsafe extern "C" fn(*mut File, *mut Field, c_int);
type WriteFile = unsafe extern "C" fn(*mut File, *mut Field, c_int, *mut Field, c_uint);
// SAFETY: as above.
type RewriteFile = unsafe extern "C" fn(*mut File, *mut Field, c_int, *mut Field);
type OfFile = unsafe extern "C" fn(*mut File, *mut Field);

/// The functions that are called.
#[derive(Debug)]
pub struct Libcob {
    // SAFETY: as above.
    pub init: unsafe extern "C" fn(c_int, *mut *mut c_char),
    // SAFETY: as above.
    pub error_proc: unsafe extern "C" fn(*const c_void, *const c_void) -> c_int,
    pub global: unsafe extern "C" fn() -> *mut Global,
    pub set_exception: unsafe extern "C" fn(c_int),
    // SAFETY: as above.
    pub get_int: unsafe extern "C" fn(*mut Field) -> c_int,
    pub set_int: unsafe extern "C" fn(*mut Field, c_int),
    // SAFETY: as above.
    pub parameter: unsafe extern "C" fn(c_int, *const c_char) -> *mut Field,
    // SAFETY: as above.
    pub text_of: unsafe extern "C" fn(*const Field, *mut c_char, usize) -> *const c_char,
    pub put_text: unsafe extern "C" fn(*const Field, *const c_char) -> c_int,
    pub open: OpenFile,
    pub close: CloseFile,
    pub start: StartFile,
    pub read: ReadFile,
    pub read_next: ReadNext,
    pub write: WriteFile,
    pub rewrite: RewriteFile,
    pub delete: OfFile,
    pub delete_file: OfFile,
    pub unlock: OfFile,
}

/// Why libcob cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The loader does not find it, or something that belongs to it.
    Missing(String),
    /// It is another version.
    Version(String),
}

impl Libcob {
    /// Loads it, for good: it registers what is run when the process ends.
    pub fn load() -> Result<Self, Unusable> {
        let missing = |error: libloading::Error| Unusable::Missing(error.to_string());
        // SAFETY: libcob's initializers do nothing but set up its own memory. Global: modules find
        // it so.
        let library = unsafe { Library::open(Some(LIBRARY), RTLD_NOW | RTLD_GLOBAL) };
        let library = std::mem::ManuallyDrop::new(library.map_err(missing)?);
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type is that of the header, and the library is never closed.
                unsafe { *library.get($name).map_err(missing)? }
            };
        }
        // SAFETY: as in the header.
        let version: unsafe extern "C" fn() -> *const c_char = function!("libcob_version");
        // SAFETY: it gives a constant text.
        let said = unsafe { CStr::from_ptr(version()) }.to_string_lossy().into_owned();
        if !said.starts_with(VERSION) {
            return Err(Unusable::Version(said));
        }
        Ok(Self {
            init: function!("cob_init"),
            error_proc: function!("cob_sys_error_proc"),
            global: function!("cob_get_global_ptr"),
            set_exception: function!("cob_set_exception"),
            get_int: function!("cob_get_int"),
            set_int: function!("cob_set_int"),
            parameter: function!("cob_get_param_field"),
            text_of: function!("cob_get_field_str"),
            put_text: function!("cob_put_field_str"),
            open: function!("cob_open"),
            close: function!("cob_close"),
            start: function!("cob_start"),
            read: function!("cob_read"),
            read_next: function!("cob_read_next"),
            write: function!("cob_write"),
            rewrite: function!("cob_rewrite"),
            delete: function!("cob_delete"),
            delete_file: function!("cob_delete_file"),
            unlock: function!("cob_unlock_file"),
        })
    }
}
