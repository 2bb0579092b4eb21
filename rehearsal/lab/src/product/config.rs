//! The configuration file of a rehearsal.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{ADDRESS, ADDRESS_6, PORT};
use crate::host::{DATA, Host, LINKS, VOLUME};

/// The group that holds the sample.
pub const GROUP: &str = "counter";

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One group: an address, a volume, the sample.
    #[default]
    Plain,
    /// The same called over IPv6, with a second address, a monitor and no restart in place; the
    /// clock on the wall of each host can be moved.
    Wide,
}

impl Shape {
    /// In a few words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "one address and a volume",
            Self::Wide => "called over IPv6, monitored",
        }
    }
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
    /// What is made wrong on purpose.
    pub planted: Option<Planted>,
    /// How many more groups there are, each one address and one process.
    pub more_groups: usize,
}

impl Plan {
    /// The file, the same on every node.
    #[must_use]
    pub fn text(&self, hosts: usize) -> String {
        let mut text = format!(
            "[cluster]\nname = \"rehearsal\"\ntiming = \"{}\"\nlanguage = \"en\"\n",
            self.profile.word()
        );
        for index in 1..=hosts {
            let addresses: Vec<String> =
                (0..LINKS.len()).map(|link| format!("{:?}", Host::address(index, link))).collect();
            add(&mut text, &format!("\n[node.n{index}]\naddress = [{}]\n", addresses.join(", ")));
        }
        self.add_counter(&mut text, hosts);
        for number in 0..self.more_groups {
            add_small(&mut text, number, hosts);
        }
        text
    }

    /// The address at which the sample is called.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        let text = match self.shape {
            Shape::Plain => ADDRESS,
            Shape::Wide => ADDRESS_6,
        };
        text.parse().expect("written as an address")
    }

    /// Every floating address of the sample's group.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let both = [ADDRESS, ADDRESS_6].map(|text| text.parse().expect("written as an address"));
        match self.shape {
            Shape::Plain => vec![both[0]],
            Shape::Wide => both.to_vec(),
        }
    }

    fn add_counter(&self, text: &mut String, hosts: usize) {
        let prefer: Vec<String> = (1..=hosts).map(|index| format!("\"n{index}\"")).collect();
        let prefer = prefer.join(", ");
        let at = SocketAddr::new(self.address(), PORT);
        let (restarts, more_addresses, monitor) = match self.shape {
            Shape::Plain => (1000, String::new(), String::new()),
            Shape::Wide => (0, second_address(), monitor(at)),
        };
        let unsafe_word = match self.planted {
            Some(Planted::SampleWithoutSync) => ", \"--unsafe-no-fsync\"",
            Some(Planted::LedgerWithoutSync) | None => "",
        };
        add(
            text,
            &format!(
                r#"
[group.{GROUP}]
prefer = [{prefer}]
failback = "never"
restarts = {restarts}
within = "1s"
fence = "self"

[[group.{GROUP}.resource]]
name = "address"
kind = "address"
address = "{ADDRESS}/24"
on = ["eth0", "eth1"]
{more_addresses}
[[group.{GROUP}.resource]]
name = "volume"
kind = "volume"
source = "{VOLUME}"
mount = "{DATA}"

[[group.{GROUP}.resource]]
name = "program"
kind = "process"
after = ["volume"]
ready = "ready"
run = ["/run/bin/tsugi", "sample", "counter", "--freebind",
       "--listen", "{at}", "--volume", "{DATA}"{unsafe_word}]
{monitor}"#
            ),
        );
    }
}

fn second_address() -> String {
    format!(
        r#"
[[group.{GROUP}.resource]]
name = "address6"
kind = "address"
address = "{ADDRESS_6}/64"
on = ["eth0", "eth1"]
"#
    )
}

/// Asks the sample whether it answers; what it does not answer hangs until its limit.
fn monitor(at: SocketAddr) -> String {
    format!(
        r#"monitor = ["/run/bin/lab", "ask", "{at}"]
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

fn add(text: &mut String, more: &str) {
    text.write_str(more).expect("a string takes every text");
}
