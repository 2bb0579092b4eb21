//! Who asks: the user of the socket's peer, and the login behind it.

use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A person as the audit names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person(pub String);

/// How long a directory of users, which may be far away, is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many may wait for it at the same time: each holds a thread until it answers.
static PLACES: Semaphore = Semaphore::const_new(16);
/// Nobody logged in: a service, or a machine without the kernel's audit.
const NO_LOGIN: u32 = u32::MAX;

impl Person {
    /// The person behind a process of this user: `taro`, or `taro as root` behind sudo. Waits for
    /// as long as the directory of users takes.
    #[must_use]
    pub fn behind(uid: u32, pid: Option<i32>) -> Self {
        Self::spelled(uid, pid, name)
    }

    fn spelled(uid: u32, pid: Option<i32>, name: fn(u32) -> String) -> Self {
        let user = name(uid);
        let login = pid.and_then(login_of).filter(|login| *login != uid);
        Self(login.map_or(user.clone(), |login| format!("{} as {user}", name(login))))
    }

    /// The same, and by number where the directory does not answer in time.
    pub async fn behind_in_time(uid: u32, pid: Option<i32>) -> Self {
        let named = named_within(PATIENCE, move || Self::behind(uid, pid));
        named.await.unwrap_or_else(|| Self::spelled(uid, pid, number))
    }
}

/// What a look finds, if it ends in time; none of those who ask waits for longer than that.
async fn named_within(
    limit: Duration,
    look: impl FnOnce() -> Person + Send + 'static,
) -> Option<Person> {
    let looked = async {
        let place = PLACES.acquire().await.ok()?;
        let look = move || {
            let found = look();
            drop(place);
            found
        };
        spawn_blocking(look).await.ok()
    };
    timeout(limit, looked).await.ok().flatten()
}

fn name(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| number(uid), |user| user.name)
}

fn number(uid: u32) -> String {
    format!("uid {uid}")
}

fn login_of(pid: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|login| *login != NO_LOGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_login_behind_it_is_named_alone() {
        assert_eq!(Person::behind(0, None), Person("root".to_owned()));
        assert_eq!(Person::behind(3_999_999_999, None), Person("uid 3999999999".to_owned()));
    }

    #[tokio::test]
    async fn a_directory_of_users_that_hangs_keeps_nobody_waiting() {
        let root = || Person("root".to_owned());
        assert_eq!(named_within(PATIENCE, root).await, Some(root()));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let hangs = move || {
            let _ended = ended.recv();
            Person("root".to_owned())
        };
        assert_eq!(named_within(Duration::from_millis(20), hangs).await, None);
        drop(end);
    }
}
