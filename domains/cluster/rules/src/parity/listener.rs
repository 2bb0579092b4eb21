//! Addresses that a group's programs are told to listen at, or are asked at by its monitors, and
//! that do not come with the group (PH-16).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::spec::{Check, ClusterSpec, GroupSpec, Monitor, ProcessHow, ResourceKind};

/// What the name of an option or a variable holds that says where a program listens.
const SAYS: [&str; 2] = ["listen", "bind"];

/// The addresses outside of the group. One that a program connects to is none of them: only what
/// is named as a place to listen at counts, and of what a monitor asks what is known to be
/// somebody else's, a node's own or another group's.
#[must_use]
pub fn outside(spec: &ClusterSpec, group: &GroupSpec) -> BTreeSet<IpAddr> {
    let own = floating(group);
    let comes_along = |at: &IpAddr| at.is_loopback() || at.is_unspecified() || own.contains(at);
    let elsewhere = elsewhere(spec);
    let mut out = BTreeSet::new();
    for resource in &group.resources {
        let ResourceKind::Process { how, environment, monitors, .. } = &resource.kind else {
            continue;
        };
        let words = match how {
            ProcessHow::Program { run, .. } => run,
            ProcessHow::Scripts { start, .. } => start,
        };
        out.extend(listened_at(words));
        out.extend(environment.iter().filter(|(name, _)| says(name)).filter_map(|(_, v)| ip(v)));
        let asked = monitors.iter().filter_map(asked).filter(|at| elsewhere.contains(at));
        out.extend(asked);
    }
    out.retain(|at| !comes_along(at));
    out
}

/// The addresses that come with a group.
fn floating(group: &GroupSpec) -> BTreeSet<IpAddr> {
    let address = |kind: &ResourceKind| match kind {
        ResourceKind::Address { address, .. } => Some(*address),
        ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => None,
    };
    group.resources.iter().filter_map(|resource| address(&resource.kind)).collect()
}

/// The addresses of every node and of every group.
fn elsewhere(spec: &ClusterSpec) -> BTreeSet<IpAddr> {
    let nodes = spec.nodes.values().flat_map(|node| node.addresses.iter().map(SocketAddr::ip));
    nodes.chain(spec.groups.values().flat_map(floating)).collect()
}

fn says(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SAYS.iter().any(|word| name.contains(word))
}

/// `--listen=10.0.0.1:80`, `--bind 10.0.0.1`, `tsugi listen 10.0.0.1:80`.
fn listened_at(words: &[String]) -> Vec<IpAddr> {
    let mut out = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (name, value) = word.split_once('=').unwrap_or(("", word.as_str()));
        let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", String::as_str);
        // The name of a program says nothing of its first argument.
        let told = !before.contains('/') && says(before);
        if says(name) || (name.is_empty() && told) {
            out.extend(ip(value));
        }
    }
    out
}

/// What a monitor asks by its number.
fn asked(monitor: &Monitor) -> Option<IpAddr> {
    match &monitor.check {
        Check::Tcp(at) => ip(at),
        Check::Http(url) => {
            let rest = url.strip_prefix("http://")?;
            ip(rest.split('/').next().unwrap_or(rest))
        }
        Check::Run(_) | Check::Ping(_) | Check::Link(_) | Check::Disk(_) => None,
    }
}

/// `10.0.0.1`, `10.0.0.1:80`, `[fd00::1]:80`.
fn ip(text: &str) -> Option<IpAddr> {
    let whole = text.parse::<SocketAddr>().map(|at| at.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    whole.or_else(|_| bare.parse()).ok()
}
