//! An entry of a module, as the module itself has it.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr::NonNull;

use libloading::os::unix::Library;
use tsugi_record::module::symbol;

use super::PARAMETERS_MAX;

// SAFETY: how C calls a function of which it knows no parameters, as libcob calls programs: one
// that takes fewer leaves the others alone.
type Called = unsafe extern "C" fn(*mut c_void, ...) -> c_int;

/// Where a program begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(NonNull<c_void>);

impl Entry {
    /// That of a library, which exports it and is never closed: a library is asked for a name
    /// before what it depends on.
    pub fn of(library: &Library, entry: &str) -> Result<Self, libloading::Error> {
        // SAFETY: it is only taken as an address.
        let found = unsafe { library.get::<*mut c_void>(symbol(entry).as_bytes())? };
        NonNull::new(found.into_raw()).map(Self).ok_or(libloading::Error::DlSymUnknown)
    }

    /// Calls it.
    ///
    /// # Safety
    /// libcob is set up on this thread and knows how many parameters there are; each is as long as
    /// the program takes it for.
    // SAFETY: as said above.
    pub unsafe fn call(self, places: &[*mut c_void; PARAMETERS_MAX]) -> c_int {
        macro_rules! with {
            ($first:literal $($number:literal)*) => {{
                // SAFETY: it is the address of a program's function.
                let called = unsafe { mem::transmute::<*mut c_void, Called>(self.0.as_ptr()) };
                // SAFETY: the caller answers for it.
                unsafe { called(places[$first], $(places[$number],)*) }
            }};
        }
        with! {
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
            31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58
            59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86
            87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110
            111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127
        }
    }
}
