//! Planted faults: a rule can be switched off by name, to show that a test notices.
//!
//! Without the feature `mutants` the question is constant and the compiler removes it.

#[cfg(feature = "mutants")]
use std::cell::Cell;

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: Cell<&'static str> = const { Cell::new("") };
}

/// Whether the fault of this name is planted on this thread.
#[cfg(feature = "mutants")]
#[must_use]
pub fn mutant(name: &str) -> bool {
    PLANTED.get() == name
}

/// Whether the fault of this name is planted: never, in what ships.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn mutant(_name: &str) -> bool {
    false
}

/// Plants one fault on this thread in place of the former; the empty name plants none.
#[cfg(feature = "mutants")]
pub fn plant(name: &'static str) {
    PLANTED.set(name);
}
