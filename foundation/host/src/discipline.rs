//! Whether the time on the wall is kept right, as the kernel was told.
#![expect(unsafe_code, reason = "adjtimex is a call of the kernel")]

/// Whether something keeps the time on the wall right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// It is compared with another clock, and steered.
    Synchronised,
    /// Nothing does.
    Free,
}

/// Whether the kernel has been told that something keeps the time on the wall right.
///
/// # Errors
/// The kernel does not say.
pub fn discipline() -> std::io::Result<Discipline> {
    // SAFETY: all of it are numbers, for which zero is a value; none of `modes` changes nothing.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `asked` is valid and writable for the length of the call.
    match unsafe { libc::adjtimex(&raw mut asked) } {
        -1 => Err(std::io::Error::last_os_error()),
        libc::TIME_ERROR => Ok(Discipline::Free),
        _ => Ok(Discipline::Synchronised),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_whether_the_clock_is_kept_on_time_and_nothing_is_changed_by_asking() {
        let first = discipline().expect("everybody may ask");
        assert_eq!(discipline().expect("everybody may ask"), first);
    }
}
