//! Who is at the other end of the control socket.

use std::fmt;
use std::fs::File;
use std::io::Read;

use nix::unistd::{Uid, User};
use tokio::net::unix::UCred;

use super::ENVIRON_LIMIT;

/// The login id of a process that belongs to no login.
const NO_LOGIN: u32 = u32::MAX;

/// Who asks: from the kernel, except where it says hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// The user that the asking process runs as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The process, if it is visible from here.
    pub pid: Option<i32>,
    /// The name of `uid`.
    pub user: Option<String>,
    /// The name of the login that the process descends from; `sudo` and `su` do not change it.
    pub login: Option<String>,
    /// What `SUDO_USER` of its environment says. A hint only: the asking program can set it.
    pub sudo_user_hint: Option<String>,
}

fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

fn login_of(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    let uid = text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)?;
    Some(name_of(uid).unwrap_or_else(|| format!("uid {uid}")))
}

fn sudo_user_of(pid: i32) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(ENVIRON_LIMIT).read_to_end(&mut bytes).ok()?;
    let found = bytes.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"SUDO_USER="));
    let name = std::str::from_utf8(found?).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && name.len() <= 64 && name.chars().all(plain)).then(|| name.to_owned())
}

impl LocalPeer {
    /// Asks the kernel and looks the names up. It may read files: not for a core thread.
    #[must_use]
    pub fn look_up(cred: UCred) -> Self {
        let pid = cred.pid().filter(|pid| *pid > 0);
        Self {
            uid: cred.uid(),
            gid: cred.gid(),
            pid,
            user: name_of(cred.uid()),
            login: pid.and_then(login_of),
            sudo_user_hint: pid.and_then(sudo_user_of),
        }
    }

    /// The person that a record names: the login where there is one, else the user.
    #[must_use]
    pub fn person(&self) -> String {
        let user = || self.user.clone().unwrap_or_else(|| format!("uid {}", self.uid));
        self.login.clone().unwrap_or_else(user)
    }
}

impl fmt::Display for LocalPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let person = self.person();
        match &self.user {
            Some(user) if *user != person => write!(f, "{person} (as {user})"),
            Some(_) | None => f.write_str(&person),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(user: Option<&str>, login: Option<&str>) -> LocalPeer {
        LocalPeer {
            uid: 7,
            gid: 7,
            pid: Some(1),
            user: user.map(str::to_owned),
            login: login.map(str::to_owned),
            sudo_user_hint: Some("mallory".to_owned()),
        }
    }

    #[test]
    fn the_login_behind_sudo_is_the_person_and_a_hint_never_is() {
        assert_eq!(peer(Some("root"), Some("hana")).to_string(), "hana (as root)");
        assert_eq!(peer(Some("root"), None).to_string(), "root");
        assert_eq!(peer(None, None).person(), "uid 7");
    }
}
