//! Older and newer on either side: nothing behind the size that is said is ever read or written.
#![expect(unsafe_code, reason = "tables of other lengths than this crate's")]

use std::mem::{offset_of, size_of};

use tsugi_program::library;
use tsugi_program::table::{self, ABI, Service};

use crate::loaded::{End, Sample, Turned};
use crate::memory::{Memory, info_now};

/// What stands behind a table: no address of anything.
const POISON: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// A table or service that is cut, or followed by what a newer one would have.
fn sized<T: Copy>(whole: &T, size: usize) -> Vec<u64> {
    let mut out = vec![POISON; size_of::<T>() / 8 + 8];
    // SAFETY: there is room for the whole; what is copied is plain data.
    unsafe {
        let from = (&raw const *whole).cast::<u8>();
        out.as_mut_ptr().cast::<u8>().copy_from(from, size.min(size_of::<T>()));
        // `abi` and `size` are the first two in either.
        *out.as_mut_ptr().cast::<u32>().add(1) = size as u32;
    }
    out
}

fn call(sample: &Sample, memory: &mut Memory, size: usize, body: &str) -> End {
    let whole = memory.table();
    let table = sized(&whole, size);
    sample.counter().call_with(table.as_ptr().cast(), body, 64 << 10, 1 << 20)
}

#[test]
fn a_newer_host_serves_an_older_program() {
    for sample in Sample::all() {
        let mut memory = Memory::with("a", 1);
        let end = call(&sample, &mut memory, size_of::<table::Host>() + 16, "add a");
        assert_eq!(end, End::Kept("2".to_owned()), "{}", sample.name);
    }
}

#[test]
fn a_newer_program_asks_an_older_host_only_for_what_it_has() {
    for sample in Sample::all() {
        let mut memory = Memory::with("a", 1);
        let no_left = offset_of!(table::Host, left_ms);
        let end = call(&sample, &mut memory, no_left, "add a");
        assert_eq!(end, End::Kept("2".to_owned()), "{}", sample.name);
        let no_info = offset_of!(table::Host, info);
        // Half a function is none.
        for (size, word) in [(no_left, "left"), (no_left + 4, "left"), (no_info, "who")] {
            assert_eq!(call(&sample, &mut memory, size, word), End::Undone, "{}", sample.name);
            assert_eq!(memory.aborted.take().as_deref(), Some("74"), "{}", sample.name);
        }
        let end = call(&sample, &mut memory, no_left, "mistaken");
        assert_eq!(end, End::Undone, "{}", sample.name);
        assert_eq!(memory.aborted.take().as_deref(), Some("42"), "no text: {}", sample.name);
        if sample.name != "Rust" {
            let end = call(&sample, &mut memory, offset_of!(table::Host, out), "reserved");
            assert_eq!(end, End::Kept("older".to_owned()), "{}", sample.name);
        }
    }
}

#[test]
fn a_service_in_rust_does_nothing_with_a_head_alone_and_breaks_without_one() {
    let sample = Sample::rust();
    let mut memory = Memory::with("a", 1);
    let head = offset_of!(table::Host, sql);
    assert_eq!(call(&sample, &mut memory, head, "add a"), End::Undone);
    assert_eq!(call(&sample, &mut memory, head - 4, "add a"), End::Broken);
    let other = table::Host { abi: ABI + 1, ..memory.table() };
    let end = sample.counter().call_with(&raw const other, "add a", 64, 64);
    assert_eq!(end, End::Broken);
    let end = sample.counter().call_with(std::ptr::null(), "add a", 64, 64);
    assert_eq!(end, End::Broken);
    assert_eq!(memory.counters["a"], 1);
}

/// The services of a library whose first is followed by nothing, or by what is newer.
fn listed(sample: &Sample, size: usize) -> Result<Turned, library::Unfit> {
    // SAFETY: the symbol of a loaded library.
    let whole = unsafe { *(sample.at)(ABI, 0) };
    thread_local!(static GIVEN: std::cell::Cell<*const Service> = const {
        std::cell::Cell::new(std::ptr::null())
    });
    // SAFETY: called by the host below only.
    unsafe extern "C" fn at(_abi: u32, index: u32) -> *const Service {
        if index == 0 { GIVEN.get() } else { std::ptr::null() }
    }
    let service = sized(&whole, size);
    GIVEN.set(service.as_ptr().cast());
    // SAFETY: what it points at stands while it is read.
    let mut listed = unsafe { library::services(at) }?;
    Ok(Turned::start(listed.swap_remove(0)))
}

#[test]
fn a_host_reads_an_older_and_a_newer_service_no_further_than_it_is_long() {
    for sample in Sample::all() {
        let whole = size_of::<Service>();
        for size in [offset_of!(Service, stop), whole - 4, whole, whole + 16] {
            let mut memory = Memory::with("a", 1);
            let mut counter = listed(&sample, size).expect("it can be used");
            let end = counter.call(&mut memory, "add a");
            assert_eq!(end, End::Kept("2".to_owned()), "{} {size}", sample.name);
        }
        let short = listed(&sample, offset_of!(Service, stop) - 4).err();
        assert_eq!(short, Some(library::Unfit::NoCall { index: 0 }), "{}", sample.name);
    }
}

#[test]
fn an_info_is_filled_no_further_than_the_host_knows_and_never_half() {
    let whole = size_of::<table::Info>();
    let mut newer = vec![POISON; whole / 8 + 2];
    newer[0] = whole as u64 + 16;
    // SAFETY: it is as long as it says.
    let code = unsafe { library::tell(&info_now(), newer.as_mut_ptr().cast()) };
    assert_eq!(code, 0);
    assert_eq!(newer[0] & 0xFFFF_FFFF, whole as u64, "it says how much is set");
    assert_eq!(newer[whole / 8], POISON, "what is newer is left alone");
    let mut older = vec![POISON; whole / 8];
    older[0] = whole as u64 - 1;
    // SAFETY: it is longer than it says.
    let code = unsafe { library::tell(&info_now(), older.as_mut_ptr().cast()) };
    assert_eq!((code, older[1]), (42, POISON));
    // SAFETY: null may be given.
    assert_eq!(unsafe { library::tell(&info_now(), std::ptr::null_mut()) }, 42);
}
