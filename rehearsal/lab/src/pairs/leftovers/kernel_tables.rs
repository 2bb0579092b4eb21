//! What the kernel of a host has in its tables: mounts, links, addresses, sockets, loop devices.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use crate::Trouble;
use crate::host::{Host, disk};
use crate::site;

const LIMIT: Duration = Duration::from_secs(5);
/// The state of a socket that listens, as the kernel lists it.
const LISTENS: &str = "0A";

/// The mounts of a host: where, and of which kind.
pub fn mounts(host: &Host) -> Result<Vec<String>, Trouble> {
    let table = host.read("/proc/1/mountinfo")?;
    let read = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        Some(format!("{} {}", place.split(' ').nth(4)?, kind.split(' ').next()?))
    };
    Ok(table.lines().filter_map(read).collect())
}

/// The links of a host, and its addresses with the link that has each.
pub fn links_and_addresses(host: &Host) -> Result<(Vec<String>, Vec<String>), Trouble> {
    let text = host.run(&["sh", "-c", "ip -o link; echo; ip -o addr"], LIMIT)?;
    let (links, addresses) = text.split_once("\n\n").unwrap_or((&text, ""));
    let link = |line: &str| {
        let name = line.split(": ").nth(1)?;
        Some(name.split('@').next()?.to_owned())
    };
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let (link, address) = (words.nth(1)?, words.nth(1)?);
        Some(format!("{link} {address}"))
    };
    Ok((links.lines().filter_map(link).collect(), addresses.lines().filter_map(address).collect()))
}

/// What is listened on in a host: by port, and by the name of a file.
pub fn sockets(host: &Host) -> Result<Vec<String>, Trouble> {
    let mut all = Vec::new();
    for kind in ["tcp", "tcp6"] {
        let table = host.read(&format!("/proc/1/net/{kind}"))?;
        let listens = table.lines().skip(1).filter_map(listener);
        all.extend(listens.map(|at| format!("{kind} {at}")));
    }
    let table = host.read("/proc/1/net/unix")?;
    let named = table.lines().filter_map(|line| line.split_whitespace().nth(7));
    // What has the same name again is a connection to it.
    let named: BTreeSet<&str> = named.filter(|name| name.starts_with('/')).collect();
    all.extend(named.into_iter().map(|name| format!("unix {name}")));
    Ok(all)
}

/// The address and port of a line, if it listens.
fn listener(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (local, state) = (words.nth(1)?, words.nth(1)?);
    let (address, port) = local.split_once(':')?;
    if state != LISTENS {
        return None;
    }
    Some(format!("{}:{}", address_of(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel lists it: words of four bytes, each in the machine's own order.
fn address_of(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// The loop devices whose image is the lab's.
pub fn loops() -> Result<BTreeSet<String>, Trouble> {
    listed(|line| line.split_whitespace().nth(2).is_some_and(|image| image.starts_with(site::DIR)))
}

/// And those whose image is in a file system that only hosts have.
pub fn loops_of(hosts: &[Host]) -> Result<BTreeSet<String>, Trouble> {
    let own = devices(&std::fs::read_to_string("/proc/self/mountinfo")?);
    let mut of_hosts = BTreeSet::new();
    for host in hosts {
        of_hosts.extend(devices(&host.read("/proc/1/mountinfo")?));
    }
    listed(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (Some(device), Some(image)) = (words.next(), words.next()) else { return false };
        let theirs = of_hosts.contains(device) && !own.contains(device);
        theirs || image.starts_with(site::DIR)
    })
}

fn devices(mountinfo: &str) -> BTreeSet<String> {
    let number = |line: &str| line.split(' ').nth(2).map(str::to_owned);
    mountinfo.lines().filter_map(number).collect()
}

fn listed(is_ours: impl Fn(&str) -> bool) -> Result<BTreeSet<String>, Trouble> {
    let mut command = Command::new("losetup");
    command.args(["--list", "--raw", "--noheadings", "--output", "NAME,BACK-MAJ:MIN,BACK-FILE"]);
    let text = disk::output(command)?;
    // Numbers are set to the right.
    let text = text.replace("\\x20", "");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(text.lines().filter(|line| is_ours(line)).map(words).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_read_from_the_kernels_list() {
        let four = "   1: 64014D0A:232B 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        assert_eq!(listener(four).unwrap(), "10.77.1.100:9003");
        let six = "   0: 000077FD00000100000000000001000000:232B 0:0 0A 0:0 00:0 0 0";
        assert!(listener(six).is_none(), "that is no address");
        let six = "   0: 000077FD000000000000000000010000:232B 0:0 0A 0:0 00:0 0 0";
        assert!(listener(six).unwrap().ends_with(":9003"));
        assert!(listener(&four.replace(" 0A ", " 01 ")).is_none(), "it is connected");
    }
}
