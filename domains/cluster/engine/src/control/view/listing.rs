//! Everything that a status is about, in the status words of the former product (CL-36). What a
//! node says of its groups in its heartbeats is all that others know: a resource is told apart
//! from its group where a failure names it.

use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::monitors::{MonitorId, Word};
use tsugi_cluster_rules::plan::{Life, Stand};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{LinkState, NodeIntent};
use tsugi_cluster_rules::spec::{
    Check, ClusterSpec, GroupSpec, LedgerPlace, NodeSpec, ProcessHow, ResourceKind, ResourceSpec,
    Role,
};
use tsugi_vocabulary::{GroupName, NodeName, ResourceName};
use tsugi_wire::control::listing::{GroupRow, HeartbeatRow, Listing, NodeRow, PartRow, StatusWord};
use tsugi_wire::control::report;
use tsugi_wire::control::watched::{Program, State};

use super::status::intent;
use crate::control::watched::programs;
use crate::standing::Standing;

/// The list; `groups` as the status has them.
pub(super) fn listing(
    standing: &Standing,
    spec: &ClusterSpec,
    (needs, groups): (&[report::Need], &[report::Group]),
) -> Listing {
    let nodes = || spec.nodes.iter();
    Listing {
        cluster: cluster(needs, groups),
        nodes: nodes().map(|(name, _)| node(standing, spec, name)).collect(),
        heartbeats: nodes()
            .flat_map(|(name, its)| heartbeats(standing, spec, (name, its)))
            .collect(),
        groups: groups.iter().map(|group| group_row(standing, group)).collect(),
        resources: parts(spec, |of| resources(standing, of)),
        monitors: monitors(standing, spec),
    }
}

/// The word for the whole cluster.
pub fn cluster(needs: &[report::Need], groups: &[report::Group]) -> StatusWord {
    let any = |severity: &str| needs.iter().any(|need| need.severity == severity);
    match (any("E"), any("W")) {
        (true, _) => StatusWord::Error,
        (false, true) => StatusWord::Caution,
        (false, false) if !groups.is_empty() && groups.iter().all(|g| g.paused) => {
            StatusWord::Suspend
        }
        (false, false) => StatusWord::Normal,
    }
}

fn node(standing: &Standing, spec: &ClusterSpec, name: &NodeName) -> NodeRow {
    let its = spec.nodes.get(name).map(|its| (name, its));
    let ways = its.into_iter().flat_map(|its| heartbeats(standing, spec, its));
    let unheard = ways.filter(|way| way.status == StatusWord::Error).count() > 0;
    let sight = standing.sights.get(name);
    let down = |link: &String| sight.and_then(|s| s.links.get(link)) == Some(&LinkState::Down);
    let down = links_of(spec, name).any(down);
    let status = match (sight.map(|s| &s.life), intent(standing, name)) {
        (None, _) if *name != standing.me => StatusWord::Unknown,
        (Some(Life::Silent { .. }), _) => StatusWord::Offline,
        (Some(Life::Deaf), _) => StatusWord::Caution,
        (Some(Life::Heard), _) if sight.is_some_and(|s| !s.entries.reach_it()) => {
            StatusWord::Caution
        }
        (Some(Life::Heard) | None, NodeIntent::Leaving(_)) => StatusWord::OfflinePending,
        (Some(Life::Heard) | None, NodeIntent::Drained(_)) => StatusWord::Suspend,
        (Some(Life::Heard) | None, NodeIntent::InService) if unheard || down => StatusWord::Caution,
        (Some(Life::Heard) | None, NodeIntent::InService) => StatusWord::Online,
    };
    NodeRow { name: name.to_string(), status }
}

/// The links on which a node could have the addresses of its groups: of others it is nothing that
/// they are down.
fn links_of<'a>(spec: &'a ClusterSpec, name: &'a NodeName) -> impl Iterator<Item = &'a String> {
    let groups = spec.groups.values().filter(|group| group.prefer.contains(name));
    groups.flat_map(|group| &group.resources).flat_map(|resource| match &resource.kind {
        ResourceKind::Address { links, .. } => &links[..],
        ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => &[],
    })
}

/// A node is spoken to over as many networks as both have addresses.
fn heartbeats(
    standing: &Standing,
    spec: &ClusterSpec,
    (name, its): (&NodeName, &NodeSpec),
) -> Vec<HeartbeatRow> {
    if *name == standing.me {
        return Vec::new();
    }
    let own = spec.nodes.get(&standing.me).map_or(0, |me| me.addresses.len());
    let carried = standing.carried.get(name);
    let left = matches!(intent(standing, name), NodeIntent::Leaving(_));
    let one = |network: usize| match carried {
        _ if network >= own => StatusWord::Unused,
        Some(networks) if networks.contains(&network) => StatusWord::Normal,
        _ if left => StatusWord::Offline,
        Some(_) => StatusWord::Error,
        None => StatusWord::Unknown,
    };
    let row = |(network, address): (usize, &std::net::SocketAddr)| HeartbeatRow {
        node: name.to_string(),
        address: address.to_string(),
        status: one(network),
    };
    let networks = its.addresses.iter().enumerate().map(row);
    networks.chain(on_disk(standing, spec, name)).collect()
}

/// The disk that two nodes share is one more way: who writes there is heard (PH-19).
fn on_disk(standing: &Standing, spec: &ClusterSpec, name: &NodeName) -> Option<HeartbeatRow> {
    let LedgerPlace::OnDisk(paths) = &spec.ledger else { return None };
    let lately = standing.record.timing().seen_on_disk_within();
    let left = matches!(intent(standing, name), NodeIntent::Leaving(_));
    let status = match (standing.disk, standing.on_disk) {
        (DiskSight::None, _) => StatusWord::Unknown,
        (DiskSight::Seen, Some(ago)) if ago < lately => StatusWord::Normal,
        _ if left => StatusWord::Offline,
        (DiskSight::Seen, None) => StatusWord::Unknown,
        (DiskSight::Seen | DiskSight::OnlyHere | DiskSight::NotSeen, _) => StatusWord::Error,
    };
    let address = paths.get(name).cloned().unwrap_or_default();
    Some(HeartbeatRow { node: name.to_string(), address, status })
}

fn group_row(standing: &Standing, group: &report::Group) -> GroupRow {
    let owner = group.owner.as_deref().and_then(|name| NodeName::new(name).ok());
    let name = GroupName::new(&group.name).ok();
    let stand = owner.as_ref().zip(name.as_ref()).map(|at| seen(standing, at));
    let status = match (stand, group.state.as_str()) {
        (Some(Seen::Stands(Stand::Stuck)), _) => StatusWord::OfflineFailure,
        (_, "running") => StatusWord::Online,
        (_, "starting" | "moving") => StatusWord::OnlinePending,
        (_, "stopping") => StatusWord::OfflinePending,
        (_, "failed" | "given-up") => StatusWord::OnlineFailure,
        (_, "stopped" | "down") | (None, "waiting") => StatusWord::Offline,
        (_, _) => StatusWord::Unknown,
    };
    GroupRow { name: group.name.clone(), node: group.owner.clone(), status }
}

/// One resource on one node that runs groups.
#[derive(Clone, Copy)]
struct Part<'a> {
    group: (&'a GroupName, &'a GroupSpec),
    resource: &'a ResourceSpec,
    node: &'a NodeName,
}

impl Part<'_> {
    fn row(&self, kind: &str, status: StatusWord) -> PartRow {
        PartRow {
            group: self.group.0.to_string(),
            name: self.resource.name.to_string(),
            kind: kind.to_owned(),
            node: self.node.to_string(),
            status,
        }
    }

    /// Whether the group may come to this node.
    fn is_meant(&self) -> bool {
        self.group.1.prefer.contains(self.node)
    }
}

fn parts<T>(spec: &ClusterSpec, each: impl Fn(Part<'_>) -> Option<T>) -> Vec<T> {
    let runs_groups = || spec.nodes.iter().filter(|(_, its)| its.role == Role::Node);
    let mut out = Vec::new();
    for group in &spec.groups {
        for resource in &group.1.resources {
            let of = |(node, _)| each(Part { group, resource, node });
            out.extend(runs_groups().filter_map(of));
        }
    }
    out
}

/// What is known of a group on a node.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// The node is not heard.
    Unheard,
    /// It has left, or says nothing of the group: there is nothing of it.
    Nothing,
    /// It says this.
    Stands(&'a Stand),
}

fn seen<'a>(standing: &'a Standing, (node, group): (&NodeName, &GroupName)) -> Seen<'a> {
    let Some(sight) = standing.sights.get(node) else { return Seen::Unheard };
    match (&sight.life, intent(standing, node)) {
        (Life::Silent { .. }, NodeIntent::Leaving(_)) => Seen::Nothing,
        (Life::Silent { .. }, NodeIntent::InService | NodeIntent::Drained(_)) => Seen::Unheard,
        (Life::Heard | Life::Deaf, _) => {
            sight.groups.get(group).map_or(Seen::Nothing, |desk| Seen::Stands(&desk.stand))
        }
    }
}

fn resources(standing: &Standing, of: Part<'_>) -> Option<PartRow> {
    let kind = match &of.resource.kind {
        ResourceKind::Address { .. } => "address",
        ResourceKind::Volume { .. } => "volume",
        ResourceKind::Process { .. } => "process",
        ResourceKind::Ocf { .. } => "ocf",
        ResourceKind::Unit { .. } => "unit",
    };
    let failed = |cause: &Cause| about(cause) == Some(&of.resource.name);
    let status = match seen(standing, (of.node, of.group.0)) {
        _ if !of.is_meant() => StatusWord::Unused,
        Seen::Unheard => StatusWord::Unknown,
        Seen::Nothing | Seen::Stands(Stand::Clear) => StatusWord::Offline,
        Seen::Stands(Stand::Starting) => StatusWord::OnlinePending,
        Seen::Stands(Stand::Running) => StatusWord::Online,
        Seen::Stands(Stand::Unwell(cause) | Stand::Failed(cause)) if failed(cause) => {
            StatusWord::OnlineFailure
        }
        Seen::Stands(Stand::Unwell(_)) => StatusWord::Online,
        Seen::Stands(Stand::Failed(_)) => StatusWord::Offline,
        Seen::Stands(Stand::Stopping) => StatusWord::OfflinePending,
        Seen::Stands(Stand::Stuck) => StatusWord::OfflineFailure,
    };
    Some(of.row(kind, status))
}

fn monitors(standing: &Standing, spec: &ClusterSpec) -> Vec<PartRow> {
    let mut rows: Vec<PartRow> =
        parts(spec, |of| Some(monitor(standing, of))).into_iter().flatten().collect();
    rows.extend(programs(standing).programs.iter().map(watched));
    rows
}

/// A row for each monitor of a resource, and one for a program that is watched without any.
fn monitor(standing: &Standing, of: Part<'_>) -> Vec<PartRow> {
    let one = |(id, kind): (MonitorId, &str)| {
        let row = of.row(kind, word(standing, of, &id));
        PartRow { name: id.to_string(), ..row }
    };
    asks(of.resource).into_iter().map(one).collect()
}

fn word(standing: &Standing, of: Part<'_>, id: &MonitorId) -> StatusWord {
    let entry = standing.record.group(of.group.0);
    let suspended = entry.is_some_and(|entry| {
        entry.pause.is_some() || entry.suspended_at(standing.at).any(|s| s.id == *id)
    });
    let failed = |cause: &Cause| match cause {
        Cause::MonitorFailed { resource, monitor, .. } => {
            *resource == id.resource && *monitor == id.monitor
        }
        other => about(other) == Some(&id.resource),
    };
    let sight = standing.sights.get(of.node).and_then(|sight| sight.groups.get(of.group.0));
    let tells = sight.is_some_and(|desk| desk.failing.as_ref() == Some(id));
    match seen(standing, (of.node, of.group.0)) {
        _ if !of.is_meant() => StatusWord::Unused,
        Seen::Unheard => StatusWord::Unknown,
        Seen::Stands(Stand::Running | Stand::Unwell(_)) if suspended => StatusWord::Suspend,
        Seen::Stands(Stand::Unwell(cause) | Stand::Failed(cause)) if failed(cause) => {
            StatusWord::Error
        }
        Seen::Stands(Stand::Running | Stand::Unwell(_)) if tells => StatusWord::Error,
        Seen::Stands(Stand::Running | Stand::Unwell(_)) => own_word(standing, of, id),
        Seen::Nothing
        | Seen::Stands(
            Stand::Clear | Stand::Starting | Stand::Stopping | Stand::Failed(_) | Stand::Stuck,
        ) => StatusWord::Offline,
    }
}

/// What only the owner of a group knows: what a monitor said last, before it counts.
fn own_word(standing: &Standing, of: Part<'_>, id: &MonitorId) -> StatusWord {
    let here = *of.node == standing.me;
    let word = standing.monitors.get(&(of.group.0.clone(), id.clone())).filter(|_| here);
    match word {
        Some(Word::Failing) => StatusWord::Caution,
        // One that hangs is never well.
        Some(Word::Unknown) => StatusWord::Unknown,
        Some(Word::Suspended) => StatusWord::Suspend,
        Some(Word::Awaited | Word::Well) | None => StatusWord::Normal,
    }
}

/// The monitors of a resource, and what each asks.
fn asks(resource: &ResourceSpec) -> Vec<(MonitorId, &'static str)> {
    let id = |name: Option<&ResourceName>| MonitorId::new(resource.name.clone(), name.cloned());
    match &resource.kind {
        ResourceKind::Address { links, .. } if links.is_empty() => Vec::new(),
        ResourceKind::Address { .. } => vec![(id(None), "link")],
        ResourceKind::Volume { .. } => Vec::new(),
        ResourceKind::Process { monitors, how, .. } => match (&**monitors, how) {
            ([], ProcessHow::Program { .. }) => vec![(id(None), "process")],
            ([], ProcessHow::Scripts { .. }) => Vec::new(),
            (all, _) => all.iter().map(|m| (id(m.name.as_ref()), kind(&m.check))).collect(),
        },
        ResourceKind::Ocf { .. } => vec![(id(None), "ocf")],
        ResourceKind::Unit { .. } => vec![(id(None), "unit")],
    }
}

const fn kind(check: &Check) -> &'static str {
    match check {
        Check::Run(_) => "command",
        Check::Tcp(_) => "tcp",
        Check::Http(_) => "http",
        Check::Ping(_) => "ping",
        Check::Link(_) => "link",
        Check::Disk(_) => "disk",
    }
}

fn watched(program: &Program) -> PartRow {
    let status = match program.state {
        _ if program.held.is_some() => StatusWord::Suspend,
        State::Up => StatusWord::Normal,
        State::Starting | State::Resting => StatusWord::Caution,
        State::Refused | State::Failed => StatusWord::Error,
        State::Ended | State::Ending | State::Gone | State::Killed => StatusWord::Offline,
        State::Elsewhere => StatusWord::Unknown,
    };
    PartRow {
        group: program.group.clone(),
        name: program.id.clone(),
        kind: "watch".to_owned(),
        node: program.node.clone(),
        status,
    }
}

/// The resource that a failure names.
fn about(cause: &Cause) -> Option<&ResourceName> {
    match cause {
        Cause::ProcessDied { resource, .. }
        | Cause::MonitorFailed { resource, .. }
        | Cause::StartFailed { resource, .. } => Some(resource),
        Cause::ClusterStart
        | Cause::Operator { .. }
        | Cause::Drain { .. }
        | Cause::Shutdown { .. }
        | Cause::Failback { .. }
        | Cause::WatchedEnded { .. }
        | Cause::LinksDown { .. }
        | Cause::NodeSilent { .. }
        | Cause::OneWay { .. }
        | Cause::PowerLost { .. }
        | Cause::Frozen { .. }
        | Cause::WasCutOff { .. }
        | Cause::AgentLost { .. }
        | Cause::LeaseRanOut { .. }
        | Cause::Together { .. }
        | Cause::Configuration { .. } => None,
    }
}

#[cfg(test)]
mod tests;
