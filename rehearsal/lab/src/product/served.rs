//! The groups that a client calls: the names, addresses and places of each.

use std::net::{IpAddr, SocketAddr};

use super::Shape;
use super::postgres::Way;
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
    /// The sample, handed to one that stands by on every node.
    Warm,
    /// PostgreSQL.
    Postgres(Way),
}

/// Where what is beside the first group listens.
const BESIDE_PORT: u16 = 9100;

type Named = (&'static str, Program);

/// A group that a client calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its name, which is also that of its volume.
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
    pub fn of(shape: Shape) -> Vec<Self> {
        let (counter, other): (Named, Named) =
            ((GROUP, Program::Counter), (OTHER, Program::Counter));
        let by_agent = (BY_AGENT, Program::Postgres(Way::Agent));
        let by_scripts = (BY_SCRIPTS, Program::Postgres(Way::Scripts));
        let named: &[(Named, &[&str])] = match shape {
            Shape::Plain | Shape::Fenced | Shape::Pair => &[(counter, &[ADDRESS])],
            Shape::Wide | Shape::Full => &[(counter, &[ADDRESS, ADDRESS_6])],
            Shape::Warm => &[((GROUP, Program::Warm), &[ADDRESS])],
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
                Program::Counter | Program::Warm => PORT,
                Program::Postgres(_) => DATABASE_PORT + behind,
            },
            beside: match shape {
                Shape::Plain
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
            Program::Counter | Program::Warm => Speaks::Calls,
            Program::Postgres(_) => Speaks::Rows,
        }
    }

    /// Tells by a command line whether a process is its program.
    pub fn is_of(&self) -> impl Fn(&[String]) -> bool + use<> {
        let (name, word) = match self.program {
            Program::Counter => ("tsugi", self.at().to_string()),
            Program::Warm => ("tsugi", "activate".to_owned()),
            Program::Postgres(_) => ("postgres", format!("{}/data", data(self.volume()))),
        };
        move |argv| argv.first().is_some_and(|n| n.ends_with(name)) && argv.contains(&word)
    }

    /// The address at which its sample is called: of several the last.
    #[must_use]
    pub fn called(&self) -> IpAddr {
        *self.addresses.last().expect("every group has an address")
    }

    /// The name of its volume.
    #[must_use]
    pub fn volume(&self) -> &'static str {
        self.group
    }

    /// Where its sample keeps a log, if it does.
    #[must_use]
    pub fn log(&self) -> Option<String> {
        match self.shape {
            Shape::Wide => Some(format!("{}/log", data(self.volume()))),
            Shape::Plain
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
        let served = Served::of(Shape::Mutual);
        let prefer: Vec<Vec<String>> = served.iter().map(|s| s.prefer(3)).collect();
        assert_eq!(prefer, [["n1", "n2"], ["n2", "n1"]]);
        assert_ne!(served[0].called(), served[1].called());
        assert_ne!(served[0].beside, served[1].beside);
    }
}
