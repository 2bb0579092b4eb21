//! Which programs of which groups run here, by resource.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::spec::ResourceSpec;
use tsugi_host::request::{Listing, ProgramId, Purpose, Running};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName};

/// The service programs that the hands run for us.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    programs: BTreeMap<(GroupName, ResourceName), (Epoch, ProgramId)>,
    /// What resource agents may have brought up and have not taken down for certain.
    by_agents: BTreeSet<(GroupName, ResourceName)>,
    /// The volumes whose program looks whether their storage keeps them still.
    volumes: BTreeSet<(GroupName, ResourceName)>,
}

/// Whether something that an agent looks after is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// It is not.
    Nothing,
    /// It may be.
    Perhaps,
}

impl Roster {
    /// Notes a started program.
    pub fn note(&mut self, group: &GroupName, resource: &ResourceName, at: (Epoch, ProgramId)) {
        self.programs.insert((group.clone(), resource.clone()), at);
    }

    /// The program of a resource.
    #[must_use]
    pub fn program(&self, group: &GroupName, resource: &ResourceName) -> Option<ProgramId> {
        self.programs.get(&(group.clone(), resource.clone())).map(|(_, id)| *id)
    }

    /// The resources and watched programs of a group that have a program here.
    pub fn of_group(&self, group: &GroupName) -> impl Iterator<Item = &ResourceName> {
        self.programs.keys().filter(move |(of, _)| of == group).map(|(_, name)| name)
    }

    /// A program ended; the resource it was the service of, if it was one.
    pub fn ended(&mut self, program: &Running) -> Option<Epoch> {
        let key = (program.group.clone(), program.name.clone());
        match self.programs.get(&key) {
            Some((epoch, id)) if *id == program.id => {
                let epoch = *epoch;
                self.programs.remove(&key);
                Some(epoch)
            }
            Some(_) | None => None,
        }
    }

    /// Which resources of a group are volumes that a program looks after.
    pub fn looks_after(&mut self, group: &GroupName, resources: &[ResourceSpec]) {
        let kept = resources.iter().filter(|r| r.kind.reservation().is_some());
        self.volumes.extend(kept.map(|r| (group.clone(), r.name.clone())));
    }

    /// Whether the program of this resource looks after a volume.
    #[must_use]
    pub fn is_volume(&self, group: &GroupName, resource: &ResourceName) -> bool {
        self.volumes.contains(&(group.clone(), resource.clone()))
    }

    /// A resource agent may bring this up from now on, or has done so.
    pub fn may_run(&mut self, group: &GroupName, resource: &ResourceName) {
        self.by_agents.insert((group.clone(), resource.clone()));
    }

    /// Nothing of this is here: its agent has proved it, or has never begun.
    pub fn is_gone(&mut self, group: &GroupName, resource: &ResourceName) {
        self.by_agents.remove(&(group.clone(), resource.clone()));
    }

    /// Whether a resource agent may have something of this here.
    #[must_use]
    pub fn by_agent(&self, group: &GroupName, resource: &ResourceName) -> Here {
        match self.by_agents.contains(&(group.clone(), resource.clone())) {
            true => Here::Perhaps,
            false => Here::Nothing,
        }
    }

    /// Takes over what a former agent of this machine left running.
    pub fn adopt(&mut self, listing: &Listing) {
        for running in listing.programs.iter().filter(|p| p.purpose == Purpose::Service) {
            self.note(&running.group, &running.name, (running.epoch, running.id));
        }
    }
}
