//! Whether a node could take each group now, and what differs from another node: pure. What is
//! there is looked up elsewhere, by the names that are made here.
//!
//! An item is written as `kind:name`, the same on every node: `file:/opt/pay/start`, `user:pay`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{GroupName, NodeName};

use crate::ocf::AgentName;
use crate::spec::{
    Check, ClusterSpec, GroupSpec, Monitor, ProcessHow, ResourceKind, Role, VolumeSource,
};

/// A file system with less free than this many percent is short.
pub const LEAST_FREE: u64 = 5;

/// Something that a group needs on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A program that is run: there, executable for who runs it, the same everywhere.
    Program {
        /// Its path.
        path: String,
        /// The user it runs as, if one is named.
        user: Option<String>,
    },
    /// A file that a program is given by name.
    File(String),
    /// A resource agent.
    Agent(AgentName),
    /// The fence agent of another node.
    Fence(String),
    /// The file of the password of a fence device.
    Secret(String),
    /// A user that a program runs as.
    User(String),
    /// A block device or an image.
    Device(String),
    /// Where something is mounted, or a directory that every node reaches.
    Mount(String),
    /// Room on the file system under it.
    Space(String),
    /// A network interface.
    Link(String),
    /// A limit of the programs.
    Limit(String),
    /// The version of this program.
    Version,
    /// The rules of the time zone.
    Zone,
}

impl Item {
    /// Its name, the same on every node.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Program { path, user: None } => format!("program:{path}"),
            Self::Program { path, user: Some(user) } => format!("program:{path} ({user})"),
            Self::File(path) => format!("file:{path}"),
            Self::Agent(agent) => format!("agent:{agent}"),
            Self::Fence(agent) => format!("fence:{agent}"),
            Self::Secret(path) => format!("secret:{path}"),
            Self::User(name) => format!("user:{name}"),
            Self::Device(path) => format!("device:{path}"),
            Self::Mount(path) => format!("mount:{path}"),
            Self::Space(path) => format!("space:{path}"),
            Self::Link(name) => format!("link:{name}"),
            Self::Limit(name) => format!("limit:{name}"),
            Self::Version => "version:tsugi".to_owned(),
            Self::Zone => "zone:localtime".to_owned(),
        }
    }

    /// Whether a group cannot do without it; what is only compared may be missing everywhere.
    #[must_use]
    pub const fn is_needed(&self) -> bool {
        match self {
            Self::Program { .. }
            | Self::Agent(_)
            | Self::Fence(_)
            | Self::Secret(_)
            | Self::User(_)
            | Self::Device(_)
            | Self::Mount(_)
            | Self::Space(_)
            | Self::Link(_) => true,
            Self::File(_) | Self::Limit(_) | Self::Version | Self::Zone => false,
        }
    }
}

/// How an item is on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Fact {
    /// It is not there.
    Missing,
    /// It is there and cannot be executed.
    NotExecutable,
    /// It could not be looked at.
    Unreadable {
        /// Why.
        why: String,
    },
    /// It is there; the mark is the same wherever it is the same.
    There {
        /// A hash, a number, a version.
        mark: String,
    },
    /// Room.
    Free {
        /// In percent.
        percent: u64,
    },
}

/// What one node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The node.
    pub node: NodeName,
    /// The hash of the configuration that it was made for.
    pub config: String,
    /// The names of the items that each group needs.
    pub groups: BTreeMap<GroupName, BTreeSet<String>>,
    /// How each is there.
    pub facts: BTreeMap<String, Fact>,
    /// Those that no group can do without.
    pub needed: BTreeSet<String>,
}

/// Why a node could not take a group, or could take it only otherwise than another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The group.
    pub group: GroupName,
    /// The item.
    pub item: String,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It is not there.
    Missing,
    /// It cannot be executed.
    NotExecutable,
    /// It could not be looked at.
    Unreadable(String),
    /// There is too little room: so many percent are free.
    Full(u64),
    /// It is otherwise on another node.
    Differs {
        /// How it is here.
        here: String,
        /// How it is there.
        there: String,
    },
    /// The other node may run the group too, and has not looked at it.
    NotCompared,
}

/// What a group needs on this node, if it may run there at all.
#[must_use]
pub fn items(spec: &ClusterSpec, group: &GroupSpec, me: &NodeName) -> BTreeSet<Item> {
    let mut items = BTreeSet::new();
    if !group.prefer.contains(me) {
        return items;
    }
    items.extend([Item::Version, Item::Zone]);
    items.extend(["nofile", "nproc", "memlock", "stack"].map(|l| Item::Limit(l.to_owned())));
    for resource in &group.resources {
        of_resource(&resource.kind, &mut items);
    }
    // What is on a volume comes with it, and is seen by its owner only.
    let carried = |path: &str| {
        group.resources.iter().any(|r| match &r.kind {
            ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } => {
                path.strip_prefix(mount.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        })
    };
    items.retain(|item| match item {
        Item::Program { path, .. } | Item::File(path) => !carried(path),
        _ => true,
    });
    for (_, node) in spec.nodes.iter().filter(|(name, n)| *name != me && n.role == Role::Node) {
        let Some(device) = &node.fence else { continue };
        items.insert(Item::Fence(device.agent.clone()));
        items.extend(device.secret.clone().map(Item::Secret));
    }
    items
}

fn of_resource(kind: &ResourceKind, items: &mut BTreeSet<Item>) {
    match kind {
        ResourceKind::Address { links, .. } => {
            items.extend(links.iter().cloned().map(Item::Link));
        }
        ResourceKind::Volume { source, mount, .. } => {
            items.insert(Item::Mount(mount.clone()));
            match source {
                VolumeSource::Block(device) => items.insert(Item::Device(device.clone())),
                VolumeSource::Directory => items.insert(Item::Space(mount.clone())),
            };
        }
        ResourceKind::Process { how, user, monitor, .. } => {
            match how {
                ProcessHow::Program { run, .. } => command(run, user, items),
                ProcessHow::Scripts { start, stop, running, .. } => {
                    command(start, user, items);
                    command(stop, user, items);
                    command(running.as_deref().unwrap_or_default(), user, items);
                }
            }
            if let Some(Monitor { check: Check::Run(run), .. }) = monitor {
                command(run, user, items);
            }
            items.extend(user.clone().map(Item::User));
        }
        ResourceKind::Ocf { agent, .. } => {
            items.insert(Item::Agent(agent.clone()));
        }
    }
}

/// The program of a command, and the files that it is given by their whole names.
fn command(words: &[String], user: &Option<String>, items: &mut BTreeSet<Item>) {
    let Some((program, given)) = words.split_first() else { return };
    items.insert(Item::Program { path: program.clone(), user: user.clone() });
    let files = given.iter().filter(|word| word.starts_with('/'));
    items.extend(files.cloned().map(Item::File));
}

/// Why this node could not take its groups now.
#[must_use]
pub fn shortfalls(mine: &Inventory) -> Vec<Gap> {
    let wrong = |item: &str| match mine.facts.get(item)? {
        Fact::Missing => Some(Wrong::Missing),
        Fact::NotExecutable => Some(Wrong::NotExecutable),
        Fact::Unreadable { why } => Some(Wrong::Unreadable(why.clone())),
        Fact::Free { percent } if *percent < LEAST_FREE => Some(Wrong::Full(*percent)),
        Fact::There { .. } | Fact::Free { .. } => None,
    };
    let needed = |item: &&String| mine.needed.contains(*item);
    let gaps = mine.groups.iter().flat_map(|(group, items)| {
        items.iter().filter(needed).filter_map(|item| {
            Some(Gap { group: group.clone(), item: item.clone(), what: wrong(item)? })
        })
    });
    gaps.collect()
}

/// What is otherwise on another node, for the groups that both may run.
#[must_use]
pub fn differences(mine: &Inventory, theirs: &Inventory) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (group, items) in &mine.groups {
        let Some(other) = theirs.groups.get(group) else { continue };
        for item in items.intersection(other) {
            let (here, there) = (mine.facts.get(item), theirs.facts.get(item));
            if let Some(what) = compared(here, there) {
                // What this node needs and cannot look at is named as a shortfall already.
                let known = mine.needed.contains(item) && matches!(what, Wrong::Unreadable(_));
                if !known {
                    gaps.push(Gap { group: group.clone(), item: item.clone(), what });
                }
            }
        }
    }
    gaps
}

/// What is wrong between two facts: what nobody could look at is not known to be the same.
fn compared(here: Option<&Fact>, there: Option<&Fact>) -> Option<Wrong> {
    match (here, there) {
        (Some(Fact::Unreadable { why }), Some(Fact::Unreadable { .. })) => {
            Some(Wrong::Unreadable(why.clone()))
        }
        (Some(Fact::Free { .. }), Some(Fact::Free { .. })) => None,
        (here, there) if here == there => None,
        (here, there) => {
            let word = |fact: Option<&Fact>| fact.map_or_else(|| "not looked at".to_owned(), shown);
            Some(Wrong::Differs { here: word(here), there: word(there) })
        }
    }
}

/// The groups that both may run and of which the other has said nothing.
#[must_use]
pub fn not_compared(spec: &ClusterSpec, mine: &Inventory, theirs: &Inventory) -> Vec<Gap> {
    let both = |group: &GroupName| {
        spec.groups.get(group).is_some_and(|group| group.prefer.contains(&theirs.node))
    };
    let left = mine.groups.keys().filter(|name| both(name) && !theirs.groups.contains_key(*name));
    let gap = |name: &GroupName| Gap {
        group: name.clone(),
        item: format!("group:{name}"),
        what: Wrong::NotCompared,
    };
    left.map(gap).collect()
}

/// A fact in one word, the same in every language.
fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Missing => "missing".to_owned(),
        Fact::NotExecutable => "not executable".to_owned(),
        Fact::Unreadable { why } => why.clone(),
        // A hash is told by its beginning.
        Fact::There { mark } if mark.len() == 64 && !mark.contains(' ') => {
            mark.chars().take(24).collect()
        }
        Fact::There { mark } => mark.clone(),
        Fact::Free { percent } => format!("{percent} %"),
    }
}
