//! Planted faults: a rule of the shared disk can be switched off by name, to show that a rehearsal
//! notices. Without the feature `mutants` the question is constant and the compiler removes it.

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Whether the fault of this name is planted on this thread.
#[cfg(feature = "mutants")]
pub(crate) fn mutant(name: &str) -> bool {
    PLANTED.get() == name
}

/// Whether the fault of this name is planted: never, in what ships.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn mutant(_name: &str) -> bool {
    false
}

/// Plants one fault on this thread in place of the former; the empty name plants none.
#[cfg(feature = "mutants")]
pub fn plant(name: &'static str) {
    PLANTED.set(name);
}
