//! An end that waits for nothing of the process itself.
#![expect(unsafe_code, reason = "the end of a process without what it runs at its end")]

/// Ends this process with that exit code at once: nothing that is to be run or written at its end
/// is, because a thread of it that hangs may hold what that would wait for.
pub fn at_once(code: i32) -> ! {
    // SAFETY: it takes a number, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// Set in the process that ends itself.
    const INSIDE: &str = "TSUGI_TEST_ENDS_ITSELF";

    extern "C" fn hangs() {
        // Whoever comes here does not end by itself any more, or with another code.
        at_once(9);
    }

    #[test]
    fn a_process_that_ends_at_once_runs_nothing_that_waits_for_its_end() {
        if env::var_os(INSIDE).is_some() {
            // SAFETY: `hangs` may be called at any time.
            assert_eq!(unsafe { libc::atexit(hangs) }, 0);
            at_once(7);
        }
        let mut again = Command::new(env::current_exe().unwrap());
        let name = "exit::tests::a_process_that_ends_at_once_runs_nothing_that_waits_for_its_end";
        let ended = again.args([name, "--exact", "--nocapture"]).env(INSIDE, "").output().unwrap();
        assert_eq!(ended.status.code(), Some(7));
    }
}
