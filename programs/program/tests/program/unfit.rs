//! Libraries that cannot be used, each refused by what is wrong with it.
#![expect(unsafe_code, reason = "services that are made wrong on purpose")]

use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::ptr;

use tsugi_program::library::{self, Listed, SERVICES_MAX, Unfit};
use tsugi_program::table::{ABI, Service};

use crate::loaded::Sample;

thread_local!(static GIVEN: RefCell<Vec<Service>> = const { RefCell::new(Vec::new()) });

// SAFETY: called by the host below only.
unsafe extern "C" fn at(_abi: u32, index: u32) -> *const Service {
    GIVEN.with_borrow(|given| given.get(index as usize).map_or(ptr::null(), ptr::from_ref))
}

fn refused(services: Vec<Service>) -> Option<Unfit> {
    GIVEN.set(services);
    // SAFETY: what it points at stands while it is read.
    unsafe { library::services(at) }.err()
}

/// A service that is right.
fn right() -> Service {
    // The example stays loaded: what its service points at is used by the test.
    let sample = Box::leak(Box::new(Sample::rust()));
    // SAFETY: the symbol of a library that stays loaded.
    unsafe { *(sample.at)(ABI, 0) }
}

fn named(name: &'static CStr) -> *const c_char {
    name.as_ptr()
}

#[test]
fn a_library_for_another_abi_is_refused_by_itself_and_by_its_host() {
    for sample in Sample::all() {
        // SAFETY: any numbers may be given.
        let (other, old) = unsafe { ((sample.at)(ABI + 1, 0), (sample.at)(0, 0)) };
        assert!(other.is_null() && old.is_null(), "{}", sample.name);
        // SAFETY: as above.
        assert!(unsafe { (sample.at)(ABI, 2) }.is_null(), "the list ends: {}", sample.name);
    }
    assert_eq!(refused(vec![]), Some(Unfit::NoService));
    let newer = Service { abi: ABI + 1, name: named(c"NEWER"), ..right() };
    assert_eq!(refused(vec![right(), newer]), Some(Unfit::Abi { index: 1, abi: 2 }));
}

#[test]
fn a_service_without_name_or_function_is_refused() {
    assert_eq!(refused(vec![right()]), None);
    let no_call = Service { call: None, ..right() };
    assert_eq!(refused(vec![no_call]), Some(Unfit::NoCall { index: 0 }));
    for name in [ptr::null(), named(c""), named(c"\xFF")] {
        let no_name = Service { name, ..right() };
        assert_eq!(refused(vec![no_name]), Some(Unfit::NoName { index: 0 }));
    }
    let hash = Service { interface_hash: named(c"\xFF"), ..right() };
    assert_eq!(refused(vec![hash]), Some(Unfit::NoName { index: 0 }));
    assert_eq!(refused(vec![right(), right()]), Some(Unfit::Twice { index: 1 }));
}

#[test]
fn a_list_without_an_end_is_not_read_for_ever() {
    // SAFETY: called by the host below only.
    unsafe extern "C" fn at(_abi: u32, index: u32) -> *const Service {
        let name: &'static CStr =
            Box::leak(std::ffi::CString::new(index.to_string()).expect("digits").into());
        Box::leak(Box::new(Service { name: name.as_ptr(), ..right() }))
    }
    // SAFETY: what it points at stays.
    let listed: Result<Vec<Listed>, Unfit> = unsafe { library::services(at) };
    assert_eq!(listed.err(), Some(Unfit::Endless));
    assert_eq!(Unfit::Endless.to_string(), format!("more than {SERVICES_MAX} services"));
}

#[test]
fn what_start_returns_is_told() {
    // SAFETY: called by the host below only.
    unsafe extern "C" fn start(
        _host: *const tsugi_program::table::Host,
        _state: *mut *mut std::ffi::c_void,
    ) -> i32 {
        7
    }
    GIVEN.set(vec![Service { start: Some(start), ..right() }]);
    // SAFETY: what it points at stands.
    let listed = unsafe { library::services(at) }.expect("it can be used");
    // SAFETY: this start looks at nothing.
    assert_eq!(unsafe { listed[0].start(ptr::null()) }.err(), Some(7));
}
