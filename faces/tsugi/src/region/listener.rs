//! The listeners of a region: where the configuration says that its programs listen, and whether
//! somebody does on this machine.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tsugi_cluster_rules::spec::{ClusterSpec, GroupSpec, ProcessHow, ResourceKind};

/// What the listener of a daemon of calls is called where nothing else is said: as the directory
/// of the former product calls it.
pub const USUAL: &str = "Web Services";
/// What the name of an option holds that says where a program listens.
const SAYS: [&str; 2] = ["listen", "bind"];
/// The state of a socket that is listened at, in the kernel's lists.
const LISTENS: &str = "0A";
/// The kernel's lists of the sockets of TCP, of this network namespace.
const LISTS: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// A listener, as one node shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it is to listen.
    pub address: SocketAddr,
    /// Whether it listens on this node, for its region.
    pub listens: bool,
}

/// A listener of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    name: String,
    address: SocketAddr,
}

/// What a command of a daemon of calls is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// It listens and has the volume.
    Whole,
    /// It hands the volume to one that stands by and listens.
    Handed,
    /// It stands by and listens, without a volume.
    StandsBy,
}

impl Configured {
    /// How it is seen here; what is bound for a region that is not here belongs to one that stands
    /// by.
    pub fn seen(&self, may_listen: bool, heard: &[SocketAddr]) -> Listener {
        let is_it = |at: &&SocketAddr| {
            at.port() == self.address.port()
                && (at.ip() == self.address.ip() || at.ip().is_unspecified())
        };
        let listens = may_listen && heard.iter().any(|at| is_it(&at));
        Listener { name: self.name.clone(), address: self.address, listens }
    }
}

/// Where the programs of a group are told to listen, on this node.
pub fn of(spec: &ClusterSpec, group: &GroupSpec, node: &str) -> Vec<Configured> {
    let mut found = Vec::new();
    for resource in &group.resources {
        let ResourceKind::Process { how, .. } = &resource.kind else { continue };
        let mut told = words(how);
        if serves(told) == Some(Serves::Handed) {
            let Some(standby) = standby_of(spec, told, node) else { continue };
            told = standby;
        }
        let name = match serves(told) {
            Some(_) => option(told, "--listener").unwrap_or(USUAL),
            None => resource.name.as_str(),
        };
        let name = name.to_owned();
        found.extend(addresses(told).map(|address| Configured { name: name.clone(), address }));
    }
    found
}

/// The words by which a program is started.
pub fn words(how: &ProcessHow) -> &[String] {
    match how {
        ProcessHow::Program { run, .. } => run,
        ProcessHow::Scripts { start, .. } => start,
    }
}

/// What a command of a daemon of calls is, if it is one.
pub fn serves(words: &[String]) -> Option<Serves> {
    // The role stands behind the program, which may stand behind what starts it.
    let is_role = |pair: &[String]| {
        let program = Path::new(&pair[0]).file_name().unwrap_or_default();
        pair[1] == "serve" && program.to_string_lossy().starts_with("tsugi")
    };
    let at = words.windows(2).position(is_role)?;
    Some(match words.get(at + 2)?.as_str() {
        "standby" => Serves::StandsBy,
        "activate" => Serves::Handed,
        _ => Serves::Whole,
    })
}

/// The words of the daemon that stands by on a node where these hand the volume over.
fn standby_of<'a>(spec: &'a ClusterSpec, words_of: &[String], node: &str) -> Option<&'a [String]> {
    let control = option(words_of, "--control")?;
    let on_node = |group: &&GroupSpec| group.prefer.iter().any(|its| its.as_str() == node);
    let resources = spec.groups.values().filter(on_node).flat_map(|group| &group.resources);
    let told = resources.filter_map(|resource| match &resource.kind {
        ResourceKind::Process { how, .. } => Some(words(how)),
        _ => None,
    });
    let mut those = told.filter(|told| serves(told) == Some(Serves::StandsBy));
    those.find(|told| option(told, "--control") == Some(control))
}

/// The value of an option: `--name VALUE` or `--name=VALUE`.
pub fn option<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let value = |word: &'a String| word.strip_prefix(name)?.strip_prefix('=');
    let next = words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
    next.or_else(|| words.iter().find_map(value))
}

/// Every address that an option names as a place to listen at, with its port.
fn addresses(words: &[String]) -> impl Iterator<Item = SocketAddr> {
    let says = |name: &str| {
        let name = name.to_ascii_lowercase();
        // The name of a program says nothing of its first argument.
        !name.contains('/') && SAYS.iter().any(|word| name.contains(word))
    };
    words.iter().enumerate().filter_map(move |(at, word)| match word.split_once('=') {
        Some((name, value)) => says(name).then(|| value.parse().ok())?,
        None => {
            let before = at.checked_sub(1).and_then(|at| words.get(at))?;
            says(before).then(|| word.parse().ok())?
        }
    })
}

/// Where somebody listens on this machine, as the kernel lists it.
pub fn listening() -> Vec<SocketAddr> {
    let list = |path: &str| fs::read_to_string(path).unwrap_or_default();
    LISTS.iter().flat_map(|path| listed(&list(path))).collect()
}

/// Those of one of the kernel's lists that are listened at.
fn listed(list: &str) -> Vec<SocketAddr> {
    let one = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (address, state) = (words.next()?, words.nth(1)?);
        let (ip, port) = address.split_once(':')?;
        let at = SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
        (state == LISTENS).then_some(at)
    };
    list.lines().filter_map(one).collect()
}

/// An address as the kernel prints it: numbers of 32 bits in its own order of bytes.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok();
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?.to_ne_bytes()).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at * 8)?.to_ne_bytes());
            }
            // One that serves both families is listed among the longer ones.
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn told(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_listens_is_found_in_the_kernels_lists_and_what_has_ended_is_not() {
        for place in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(place) else { continue };
            let at = listener.local_addr().unwrap();
            assert!(listening().contains(&at), "{at}");
            drop(listener);
            assert!(!listening().contains(&at), "{at}");
        }
    }

    #[test]
    fn a_place_to_listen_at_is_told_by_its_option_and_no_other_address_is_one() {
        let found = |line: &str| addresses(&told(line)).collect::<Vec<_>>();
        let at: SocketAddr = "10.0.0.1:9003".parse().unwrap();
        assert_eq!(found("tsugi serve --volume /u01 --listen 10.0.0.1:9003 --start 2"), [at]);
        assert_eq!(found("server --bind-address=10.0.0.1:9003"), [at]);
        assert_eq!(found("tsugi listen 10.0.0.1:9003 /bin/server"), [at]);
        assert_eq!(found("client --connect 10.0.0.1:9003"), []);
        assert_eq!(found("/opt/listen/client 10.0.0.1:9003"), []);
    }

    #[test]
    fn a_listener_of_all_addresses_is_that_of_each_and_none_listens_for_a_region_elsewhere() {
        let address = "10.0.0.1:9003".parse().unwrap();
        let one = Configured { name: USUAL.to_owned(), address };
        let all = ["0.0.0.0:9003".parse().unwrap()];
        assert!(one.seen(true, &all).listens && one.seen(true, &[address]).listens);
        assert!(!one.seen(false, &all).listens, "it stands by");
        let others = ["10.0.0.2:9003".parse().unwrap(), "10.0.0.1:9004".parse().unwrap()];
        assert!(!one.seen(true, &others).listens);
    }

    #[test]
    fn what_a_daemon_of_calls_is_is_told_by_its_role() {
        let kind = |line: &str| serves(&told(line));
        assert_eq!(kind("/usr/bin/tsugi serve --volume /u01"), Some(Serves::Whole));
        assert_eq!(kind("/usr/bin/tsugi serve standby --control /run/s"), Some(Serves::StandsBy));
        assert_eq!(kind("/usr/bin/tsugi serve activate --control /run/s"), Some(Serves::Handed));
        assert_eq!(kind("/usr/bin/nice tsugi serve --volume /u01"), Some(Serves::Whole));
        assert_eq!(kind("/opt/pages serve --volume /u01"), None);
    }
}
