//! Who asks: the user of the socket's peer, and the login behind it.

use nix::unistd::{Uid, User};

/// A person as the audit names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person(pub String);

/// Nobody logged in: a service, or a machine without the kernel's audit.
const NO_LOGIN: u32 = u32::MAX;

impl Person {
    /// The person behind a process of this user: `taro`, or `taro as root` behind sudo.
    #[must_use]
    pub fn behind(uid: u32, pid: Option<i32>) -> Self {
        let user = name(uid);
        let login = pid.and_then(login_of).filter(|login| *login != uid);
        Self(login.map_or(user.clone(), |login| format!("{} as {user}", name(login))))
    }
}

fn name(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |user| user.name)
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
}
