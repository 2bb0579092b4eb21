//! The groups that a client calls: the names, addresses and places of each.

use std::net::{IpAddr, SocketAddr};

use super::postgres::Way;
use super::report;
use super::{Serves, Shape};
use crate::client::Speaks;
use crate::host::data;

/// The group that holds the sample.
pub const GROUP: &str = "counter";
/// The other one, where two groups stand by for each other.
const OTHER: &str = "other";
const ADDRESS: &str = "10.77.1.100";
const OTHER_ADDRESS: &str = "10.77.1.101";
const ADDRESS_6: &str = "fd77:1::100";
/// The groups with a database: the one that the resource agent keeps, the one that scripts keep.
const BY_AGENT: &str = "pgagent";
const BY_SCRIPTS: &str = "pgscripts";
/// Where the sample listens.
const PORT: u16 = 9003;
/// Where the first database listens; the next one listens behind it.
const DATABASE_PORT: u16 = 5432;

/// What a client calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The sample.
    Counter,
    /// A service of the verification report, its daemon standing by on every node.
    Report,
    /// PostgreSQL.
    Postgres(Way),
}

/// The word of what stands by.
const STANDBY: &str = "standby";

/// Where what is beside the first group listens.
const BESIDE_PORT: u16 = 9100;

type Named = (&'static str, Program);

/// A group that a client calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub group: &'static str,
    /// What runs in it.
    pub program: Program,
    /// Its floating addresses.
    pub addresses: Vec<IpAddr>,
    /// Where its program listens.
    pub port: u16,
    /// Where the service beside it listens on every node, if its monitor asks for one.
    pub beside: Option<SocketAddr>,
    /// By which number it is among the groups.
    number: usize,
    shape: Shape,
}

impl Served {
    /// The groups of a cluster of this shape.
    #[must_use]
    pub fn of(shape: Shape, serves: Serves) -> Vec<Self> {
        match serves {
            Serves::Report if shape != Shape::Database => Self::of_the_report(shape),
            Serves::Counter | Serves::Report => Self::of_the_lab(shape),
        }
    }

    fn of_the_report(shape: Shape) -> Vec<Self> {
        let count = if shape == Shape::Mutual { 2 } else { 1 };
        let one = |number: usize| {
            let also: &[&str] = match shape {
                Shape::Wide | Shape::Full => &[ADDRESS_6],
                _ => &[],
            };
            let addresses = [&[report::ADDRESSES[number]][..], also].concat();
            Self::new(shape, number, ((report::GROUPS[number], Program::Report), &addresses))
        };
        (0..count).map(one).collect()
    }

    fn of_the_lab(shape: Shape) -> Vec<Self> {
        let (counter, other): (Named, Named) =
            ((GROUP, Program::Counter), (OTHER, Program::Counter));
        let by_agent = (BY_AGENT, Program::Postgres(Way::Agent));
        let by_scripts = (BY_SCRIPTS, Program::Postgres(Way::Scripts));
        let named: &[(Named, &[&str])] = match shape {
            Shape::Plain | Shape::Alone | Shape::Warm | Shape::Fenced | Shape::Pair => {
                &[(counter, &[ADDRESS])]
            }
            Shape::Wide | Shape::Full => &[(counter, &[ADDRESS, ADDRESS_6])],
            Shape::Mutual => &[(counter, &[ADDRESS]), (other, &[OTHER_ADDRESS])],
            Shape::Database => &[(by_agent, &[ADDRESS]), (by_scripts, &[OTHER_ADDRESS])],
        };
        let one = |(number, of): (usize, &(Named, &[&str]))| Self::new(shape, number, *of);
        named.iter().enumerate().map(one).collect()
    }

    fn new(shape: Shape, number: usize, ((group, program), addresses): (Named, &[&str])) -> Self {
        let behind = u16::try_from(number).expect("there are few groups");
        let read = |text: &&str| text.parse().expect("written as an address");
        Self {
            group,
            program,
            addresses: addresses.iter().map(read).collect(),
            port: match program {
                Program::Counter | Program::Report => PORT,
                Program::Postgres(_) => DATABASE_PORT + behind,
            },
            beside: match shape {
                Shape::Plain
                | Shape::Alone
                | Shape::Warm
                | Shape::Database
                | Shape::Fenced
                | Shape::Pair
                | Shape::Full => None,
                Shape::Wide | Shape::Mutual => {
                    Some(SocketAddr::from(([127, 0, 0, 1], BESIDE_PORT + behind)))
                }
            },
            number,
            shape,
        }
    }

    /// Where a client finds it.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        SocketAddr::new(self.called(), self.port)
    }

    /// What a client says to it.
    #[must_use]
    pub fn speaks(&self) -> Speaks {
        match self.program {
            Program::Counter => Speaks::Calls,
            Program::Report => Speaks::Service(self.service()),
            Program::Postgres(_) => Speaks::Rows,
        }
    }

    /// Whether what answers stands by on every node, and its program only hands the volume to it.
    #[must_use]
    pub fn stands_by(&self) -> bool {
        self.program == Program::Report && self.shape != Shape::Alone
    }

    /// The service that its callers call; none where they call a sample or a database.
    #[must_use]
    pub fn service(&self) -> &'static str {
        match self.program {
            Program::Report => report::SERVICES[self.number],
            Program::Counter | Program::Postgres(_) => "",
        }
    }

    /// By which number it is among the groups, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Tells by a command line whether a process is what answers its callers: its program, or what
    /// that has handed the volume to.
    pub fn answers(&self) -> impl Fn(&[String]) -> bool + use<> {
        let (stands, own) = (self.stands_by(), self.is_of());
        let control = report::control_of(self.group);
        let stands_by = move |argv: &[String]| {
            argv.first().is_some_and(|name| name.ends_with("tsugi"))
                && argv.iter().any(|word| word == STANDBY)
                && argv.contains(&control)
        };
        move |argv| if stands { stands_by(argv) } else { own(argv) }
    }

    /// Tells by a command line whether a process is its program.
    pub fn is_of(&self) -> impl Fn(&[String]) -> bool + use<> {
        let (name, word) = match self.program {
            Program::Counter => ("tsugi", self.at().to_string()),
            Program::Report => ("tsugi", report::control_of(self.group)),
            Program::Postgres(_) => ("postgres", format!("{}/data", data(self.volume()))),
        };
        let stands_by = |argv: &[String]| argv.iter().any(|word| word == STANDBY);
        move |argv| {
            argv.first().is_some_and(|n| n.ends_with(name))
                && argv.contains(&word)
                && !stands_by(argv)
        }
    }

    /// The address at which its sample is called: of several the last.
    #[must_use]
    pub fn called(&self) -> IpAddr {
        *self.addresses.last().expect("every group has an address")
    }

    /// The name of its volume.
    #[must_use]
    pub fn volume(&self) -> &'static str {
        match self.program {
            Program::Report => report::VOLUMES[self.number],
            Program::Counter | Program::Postgres(_) => self.group,
        }
    }

    /// Where its sample keeps a log, if it does.
    #[must_use]
    pub fn log(&self) -> Option<String> {
        match self.shape {
            _ if self.program == Program::Report => Some(format!("{}/log", data(self.volume()))),
            Shape::Wide => Some(format!("{}/log", data(self.volume()))),
            Shape::Plain
            | Shape::Alone
            | Shape::Mutual
            | Shape::Warm
            | Shape::Database
            | Shape::Fenced
            | Shape::Pair
            | Shape::Full => None,
        }
    }

    /// The nodes that may run it, the first one first.
    #[must_use]
    pub fn prefer(&self, hosts: usize) -> Vec<String> {
        let mut order: Vec<usize> = match self.shape {
            Shape::Plain
            | Shape::Alone
            | Shape::Wide
            | Shape::Warm
            | Shape::Database
            | Shape::Fenced
            | Shape::Pair
            | Shape::Full => (1..=hosts).collect(),
            Shape::Mutual => vec![1, 2],
        };
        order.rotate_left(self.number);
        order.into_iter().map(|index| format!("n{index}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_that_stand_by_for_each_other_begin_on_different_nodes() {
        let served = Served::of(Shape::Mutual, Serves::Report);
        let prefer: Vec<Vec<String>> = served.iter().map(|s| s.prefer(3)).collect();
        assert_eq!(prefer, [["n1", "n2"], ["n2", "n1"]]);
        assert_ne!(served[0].called(), served[1].called());
        assert_ne!(served[0].beside, served[1].beside);
    }
}
