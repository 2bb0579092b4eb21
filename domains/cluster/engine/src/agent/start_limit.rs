//! A start that hangs, as where a disk takes no more: until its lease loop goes round nobody else
//! watches an agent. It ends itself, and the hands start the next one.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use crate::logbook;

/// How long a start may take: as long as systemd usually gives one. A lease is over long before.
pub(super) const LIMIT: Duration = Duration::from_secs(90);
/// How long the log may take to take the last word: it may be what hangs.
const LAST_WORD: Duration = Duration::from_secs(1);
/// What the hands start another agent after.
const EXIT: i32 = 1;

/// As long as it is there, the start has to come to its end in time.
pub(super) struct StartLimit {
    _in_time: SyncSender<()>,
}

impl StartLimit {
    /// From now on.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn begin() -> io::Result<Self> {
        Self::of(LIMIT, end)
    }

    fn of(limit: Duration, end: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (in_time, over) = sync_channel::<()>(0);
        thread::Builder::new().name("tsugi-start".to_owned()).spawn(move || {
            match over.recv_timeout(limit) {
                Err(RecvTimeoutError::Timeout) => end(),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            }
        })?;
        Ok(Self { _in_time: in_time })
    }
}

fn end() {
    let (told, heard) = channel();
    let tell = thread::Builder::new().spawn(move || {
        logbook::say(&tsugi_messages::agent_start_hangs(LIMIT.as_secs()));
        told.send(()).ok();
    });
    if tell.is_ok() {
        heard.recv_timeout(LAST_WORD).ok();
    }
    // What hangs may hold what an ordered end would wait for.
    tsugi_host::exit::at_once(EXIT);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::{env, process};

    use super::*;

    /// Set in the process whose start hangs.
    const INSIDE: &str = "TSUGI_TEST_START_HANGS";

    #[test]
    fn the_end_of_a_start_that_hangs_waits_for_nothing_that_is_left_to_do() {
        if env::var_os(INSIDE).is_some() {
            // An ordered end would still write it.
            print!("half a line");
            end();
        }
        let mut again = process::Command::new(env::current_exe().unwrap());
        let name = "the_end_of_a_start_that_hangs_waits_for_nothing_that_is_left_to_do";
        let name = format!("agent::start_limit::tests::{name}");
        let ended = again.args([&name, "--exact", "--nocapture"]).env(INSIDE, "").output().unwrap();
        assert_eq!(ended.status.code(), Some(EXIT));
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(said.contains("running 1 test") && !said.contains("half a line"), "{said}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("TSUG"), "it said why");
    }

    #[test]
    fn a_start_that_hangs_is_ended() {
        let (ended, hangs) = channel();
        let _limit =
            StartLimit::of(Duration::from_millis(1), move || ended.send(()).unwrap_or(())).unwrap();
        // What hangs comes to no end by itself.
        assert_eq!(hangs.recv(), Ok(()));
    }

    #[test]
    fn a_start_that_came_to_its_end_is_left_alone() {
        let (ended, hangs) = channel();
        let limit = StartLimit::of(LIMIT, move || ended.send(()).unwrap_or(())).unwrap();
        drop(limit);
        assert!(hangs.recv().is_err(), "nobody is there any more who would end it");
    }
}
