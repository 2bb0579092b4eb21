//! The configuration file of a rehearsal.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::fence::{self, DeviceTests};
use super::full;
use super::postgres;
use super::report;
use super::served::{Program, Served};
use crate::drilled::COPY;
use crate::host::{Host, LEDGER, LINKS, data, device};

/// A timing profile of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// What a cluster has if nothing is said.
    #[default]
    Default,
    /// For a network of its own.
    Fast,
}

impl Profile {
    /// As it stands in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fast => "fast",
        }
    }
}

/// What the cluster of a rehearsal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Shape {
    /// One group: an address, a volume, the sample.
    #[default]
    Plain,
    /// The same, and what answers is started with the group: a drill beside the group starts what
    /// is the group's own, and what stands by is not.
    Alone,
    /// As the plain one, called over IPv6, with a second address, a monitor and no restart in
    /// place; the clock on the wall of each host can be moved, and a log is kept on the volume.
    Wide,
    /// Two groups on two nodes that stand by for each other; the third node only has a vote.
    Mutual,
    /// The program stands by on every node, its port bound, and the group hands it its volume.
    Warm,
    /// Two groups with PostgreSQL: one by its resource agent, one by scripts.
    Database,
    /// As the plain one, and each node has a fence device: the group waits until its owner is off.
    Fenced,
    /// As the plain one, on two nodes that keep their ledger on a disk they share.
    Pair,
    /// Called over IPv6, and in its group a resource of every kind that a host of the lab can
    /// have, besides systemd's units.
    Full,
}

impl Shape {
    /// In a few words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "one address and a volume",
            Self::Alone => "a daemon that starts with its group",
            Self::Wide => "called over IPv6, monitored",
            Self::Mutual => "two groups that stand by for each other",
            Self::Warm => "a program that stands by on every node",
            Self::Database => "PostgreSQL by its agent and by scripts",
            Self::Fenced => "a fence device for every node",
            Self::Pair => "two nodes and a shared ledger disk",
            Self::Full => "a group with resources of every kind",
        }
    }

    /// How many hosts it has.
    #[must_use]
    pub fn hosts(self) -> usize {
        match self {
            Self::Pair => 2,
            Self::Plain
            | Self::Alone
            | Self::Wide
            | Self::Mutual
            | Self::Warm
            | Self::Database
            | Self::Fenced
            | Self::Full => 3,
        }
    }
}

/// What serves the callers of a rehearsal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// The sample counter: where the cluster alone is rehearsed, and a fault is planted in what is
    /// served.
    #[default]
    Counter,
    /// The services of the verification report, by their daemons.
    Report,
}

/// Where the addresses of groups are put.
pub(super) const LINKS_OF_ADDRESSES: [&str; 2] = ["eth0", "eth1"];

/// What a group's configuration says of failures.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// The nodes that may run it.
    pub(super) prefer: Vec<String>,
    /// How often it is restarted in place.
    pub(super) restarts: i64,
    /// What has to be known of a former owner.
    pub(super) proof: &'static str,
}

/// A fault that is planted in the system, to see that it is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// The sample answers without waiting for the disk.
    SampleWithoutSync,
    /// The ledger answers without waiting for the disk.
    LedgerWithoutSync,
}

/// What is configured.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The timing.
    pub profile: Profile,
    /// What there is.
    pub shape: Shape,
    /// What is called.
    pub serves: Serves,
    /// What is made wrong on purpose.
    pub planted: Option<Planted>,
    /// How many more groups there are, each one address and one process.
    pub more_groups: usize,
    /// How often the fence devices are tested, where there are any.
    pub device_tests: DeviceTests,
}

impl Plan {
    /// The file, the same on every node.
    #[must_use]
    pub fn text(&self, hosts: usize) -> String {
        let mut text = format!(
            "[cluster]\nname = \"rehearsal\"\ntiming = \"{}\"\nlanguage = \"en\"\n",
            self.profile.word()
        );
        if self.shape == Shape::Pair {
            add(&mut text, &format!("ledger = \"disk\"\nledger_disk = {:?}\n", device(LEDGER)));
        }
        for index in 1..=hosts {
            let addresses: Vec<String> =
                (0..LINKS.len()).map(|link| format!("{:?}", Host::address(index, link))).collect();
            add(&mut text, &format!("\n[node.n{index}]\naddress = [{}]\n", addresses.join(", ")));
            if self.shape == Shape::Fenced {
                add(&mut text, &fence::device(&format!("n{index}"), self.device_tests));
            }
        }
        for served in self.served() {
            self.add_served(&mut text, &served, hosts);
        }
        for number in 0..self.more_groups {
            add_small(&mut text, number, hosts);
        }
        text
    }

    /// The groups that clients call.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        Served::of(self.shape, self.serves)
    }

    fn add_served(&self, text: &mut String, served: &Served, hosts: usize) {
        let policy = self.policy(served, hosts);
        match served.program {
            Program::Report => add(text, &report::text(served, &policy)),
            Program::Counter => add(text, &(head(served, &policy) + &self.counter(served))),
            Program::Postgres(way) => {
                add(text, &(head(served, &policy) + &postgres::resource(served, way)));
            }
        }
        if self.shape == Shape::Full {
            add(text, &full::resources(served));
        }
    }

    fn policy(&self, served: &Served, hosts: usize) -> Policy {
        let restarts = if served.beside.is_some() { 0 } else { 1000 };
        let proof = match self.shape {
            // What a volume asks for if nothing is said: that its owner is off for certain.
            Shape::Fenced => "confirmed",
            Shape::Plain
            | Shape::Alone
            | Shape::Wide
            | Shape::Mutual
            | Shape::Warm
            | Shape::Database
            | Shape::Pair
            | Shape::Full => "self",
        };
        Policy { prefer: served.prefer(hosts), restarts, proof }
    }

    fn counter(&self, served: &Served) -> String {
        let (group, at, data) = (served.group, served.at(), data(served.volume()));
        let unsafe_word = match self.planted {
            Some(Planted::SampleWithoutSync) => ", \"--unsafe-no-fsync\"",
            Some(Planted::LedgerWithoutSync) | None => "",
        };
        let log = served.log().map_or_else(String::new, |dir| format!(", \"--log\", {dir:?}"));
        let monitor = served.beside.map_or_else(String::new, |beside| monitor(at, beside));
        format!(
            r#"
[[group.{group}.resource]]
name = "program"
kind = "process"
after = ["volume"]
ready = "ready"
run = ["/run/bin/tsugi", "sample", "counter", "--freebind",
       "--listen", "{at}", "--volume", "{data}"{log}{unsafe_word}]
{monitor}"#
        )
    }
}

/// A group and what each has: its addresses and its volume.
fn head(served: &Served, policy: &Policy) -> String {
    let Policy { prefer, restarts, proof } = policy;
    let prefer: Vec<String> = prefer.iter().map(|name| format!("{name:?}")).collect();
    let (group, prefer) = (served.group, prefer.join(", "));
    let (device, data) = (device(served.volume()), data(served.volume()));
    format!(
        r#"
[group.{group}]
prefer = [{prefer}]
failback = "never"
restarts = {restarts}
takeovers = 1000
within = "1s"
fence = "{proof}"
{}
[[group.{group}.resource]]
name = "volume"
kind = "volume"
source = "{device}"
mount = "{data}"
copy = ["/bin/echo", "{COPY}"]
drop = ["/bin/rm", "-f", "{COPY}"]
"#,
        addresses(served),
    )
}

fn addresses(served: &Served) -> String {
    let mut text = String::new();
    for address in &served.addresses {
        let group = served.group;
        let (name, prefix) = if address.is_ipv4() { ("address", 24) } else { ("address6", 64) };
        add(
            &mut text,
            &format!(
                r#"
[[group.{group}.resource]]
name = "{name}"
kind = "address"
address = "{address}/{prefix}"
on = ["eth0", "eth1"]
"#
            ),
        );
    }
    text
}

/// Asks the sample and the service beside it whether they answer; what does not answer hangs until
/// its limit.
fn monitor(at: SocketAddr, beside: SocketAddr) -> String {
    format!(
        r#"monitor = ["/run/bin/lab", "ask", "{at}", "{beside}"]
every = "300ms"
limit = "300ms"
stop_limit = "200ms"
"#
    )
}

/// The address of the small group of this number.
#[must_use]
pub fn small_address(number: usize) -> IpAddr {
    let part = |value: usize| u8::try_from(value).expect("there are few groups");
    IpAddr::from([10, 78, part(number / 200), part(number % 200 + 1)])
}

/// A group of one address and one process. All begin on the first host, the worst one to lose.
fn add_small(text: &mut String, number: usize, hosts: usize) {
    let mut order: Vec<usize> = (1..=hosts).collect();
    order[1..].rotate_left(number % (hosts - 1));
    let prefer: Vec<String> = order.iter().map(|index| format!("\"n{index}\"")).collect();
    let address = small_address(number);
    add(
        text,
        &format!(
            r#"
[group.g{number}]
prefer = [{}]
failback = "never"

[[group.g{number}.resource]]
name = "address"
kind = "address"
address = "{address}/16"
on = ["eth0"]

[[group.g{number}.resource]]
name = "program"
kind = "process"
run = ["/bin/sleep", "1000000"]
"#,
            prefer.join(", ")
        ),
    );
}

/// Puts more behind a text.
pub(super) fn add(text: &mut String, more: &str) {
    text.write_str(more).expect("a string takes every text");
}
