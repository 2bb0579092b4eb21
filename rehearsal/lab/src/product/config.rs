//! The configuration file of a rehearsal.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{ADDRESS, PORT};
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
        self.add_counter(&mut text);
        for number in 0..self.more_groups {
            add_small(&mut text, number, hosts);
        }
        text
    }

    fn add_counter(&self, text: &mut String) {
        let unsafe_word = match self.planted {
            Some(Planted::SampleWithoutSync) => ", \"--unsafe-no-fsync\"",
            Some(Planted::LedgerWithoutSync) | None => "",
        };
        add(
            text,
            &format!(
                r#"
[group.{GROUP}]
failback = "never"
restarts = 1000
within = "1s"
fence = "self"

[[group.{GROUP}.resource]]
name = "address"
kind = "address"
address = "{ADDRESS}/24"
on = ["eth0", "eth1"]

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
       "--listen", "{ADDRESS}:{PORT}", "--volume", "{DATA}"{unsafe_word}]
"#
            ),
        );
    }
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
