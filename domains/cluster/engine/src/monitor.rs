//! Asks what a monitor without a command of its own asks: a port, a page, a host, a link, a disk.
//!
//! It runs as a process of its own, `tsugi monitor …`, started and ended at its limit like any
//! monitor: what hangs in the kernel hangs nothing of the node.

mod disk;
mod echo;

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use tsugi_cluster_rules::spec::Check;
use tsugi_host::link::{Carrier, Watcher};

/// Why a monitor does not say that all is well.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// Nothing answered in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// It answered, and what it says is not health.
    #[error("HTTP status {0}")]
    Status(u16),
    /// An interface without a carrier, or none of that name.
    #[error("{0:?}")]
    Link(Carrier),
    /// A command belongs to the group, not here.
    #[error("a command is run as it is")]
    Command,
    /// A call failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// The page could not be asked for.
    #[error(transparent)]
    Http(Box<ureq::Error>),
}

/// Asks once, for at most `within`.
///
/// # Errors
/// [`Unwell`] says what was not as it must be.
pub fn ask(check: &Check, within: Duration) -> Result<(), Unwell> {
    match check {
        Check::Run(_) => Err(Unwell::Command),
        Check::Tcp(to) => connect(to, within),
        Check::Http(url) => get(url, within),
        Check::Ping(host) => echo::ask(*host, within),
        Check::Link(name) => carrier(name),
        Check::Disk(path) => Ok(disk::ask(path.as_ref())?),
    }
}

/// Each address of the name in turn, all within the time.
fn connect(to: &str, within: Duration) -> Result<(), Unwell> {
    let end = Instant::now() + within;
    let mut last = Unwell::Failed(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in to.to_socket_addrs()? {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unwell::Silent(within));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Unwell::Silent(within),
            Err(error) => last = Unwell::Failed(error),
        }
    }
    Err(last)
}

/// What a page moved to is not followed: the program that is watched has answered.
fn get(url: &str, within: Duration) -> Result<(), Unwell> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(within))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build();
    match ureq::Agent::new_with_config(config).get(url).call() {
        Ok(answer) => match answer.status().as_u16() {
            200..=399 => Ok(()),
            other => Err(Unwell::Status(other)),
        },
        Err(ureq::Error::Timeout(_)) => Err(Unwell::Silent(within)),
        Err(ureq::Error::Io(error)) => Err(Unwell::Failed(error)),
        Err(other) => Err(Unwell::Http(Box::new(other))),
    }
}

fn carrier(name: &str) -> Result<(), Unwell> {
    let watcher = Watcher::open()?;
    let found = watcher.links().into_iter().find(|link| link.name == name);
    match found {
        Some(link) if link.carries() => Ok(()),
        Some(_) => Err(Unwell::Link(Carrier::Down)),
        None => Err(Unwell::Link(Carrier::Gone)),
    }
}

#[cfg(test)]
mod tests;
