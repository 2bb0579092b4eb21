//! What can only be seen over the whole file: votes, addresses, groups that concern each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use tsugi_cluster_rules::spec::{GroupSpec, Mode, ResourceKind, Role, VolumeSource};
use tsugi_vocabulary::{GroupName, NodeName};

use super::cluster::Machines;
use super::group::{Shape, Written};
use super::page::{Given, Page, meant_or_all};
use super::problem::Wrong;

/// Addresses of the machines.
pub(super) fn check_machines(file: &Page<'_>, machines: &Machines) {
    let runs_groups = machines.values().filter(|m| m.spec.role == Role::Node).count();
    if runs_groups == 0 && !file.has("node") {
        file.missing("[node.node1]", "[node.node1] address = [\"10.0.1.1\"]");
    }
    let mut seen: BTreeMap<std::net::SocketAddr, &NodeName> = BTreeMap::new();
    for (name, machine) in machines {
        for address in &machine.spec.addresses {
            if let Some(other) = seen.insert(*address, name).filter(|other| *other != name) {
                let span = &machine.at.span;
                let by = other.to_string();
                file.note(span, Wrong::AddressTaken { address: address.ip(), by });
            }
        }
    }
}

/// What groups may not have in common, and what parallel groups may not have at all.
pub(super) fn check_groups(file: &Page<'_>, machines: &Machines, written: &[Written]) {
    check_addresses(file, machines, written);
    check_mounts(file, written);
    check_units(file, written);
    for group in written.iter().filter(|g| g.shape == Shape::Parallel) {
        check_parallel(file, group);
    }
    for group in written {
        check_named(file, written, &group.apart);
        check_named(file, written, &group.together);
        check_named(file, written, &group.after);
        check_after(file, written, group);
        check_together(file, written, group);
    }
}

fn check_addresses(file: &Page<'_>, machines: &Machines, written: &[Written]) {
    let of_nodes = machines.iter().flat_map(|(name, m)| {
        let ip = |a: &std::net::SocketAddr| (a.ip(), name.to_string());
        m.spec.addresses.iter().map(ip).collect::<Vec<_>>()
    });
    let mut seen: BTreeMap<IpAddr, String> = of_nodes.collect();
    for group in written {
        for resource in &group.spec.resources {
            let ResourceKind::Address { address, .. } = &resource.kind else { continue };
            if let Some(by) = seen.insert(*address, group.name.to_string()) {
                file.note(&group.span, Wrong::AddressTaken { address: *address, by });
            }
        }
    }
}

fn check_mounts(file: &Page<'_>, written: &[Written]) {
    let mut seen = BTreeSet::new();
    for group in written {
        for resource in &group.spec.resources {
            let ResourceKind::Volume { mount, source, .. } = &resource.kind else { continue };
            let mut twice = (!seen.insert(mount)).then_some(mount);
            if let VolumeSource::Block(source) = source {
                twice = twice.or((!seen.insert(source)).then_some(source));
            }
            if let Some(twice) = twice {
                file.note(&group.span, Wrong::Twice(twice.clone()));
            }
        }
    }
}

/// A unit is of one resource: systemd has it once a machine.
fn check_units(file: &Page<'_>, written: &[Written]) {
    let mut seen = BTreeSet::new();
    for group in written {
        for resource in &group.spec.resources {
            let ResourceKind::Unit { unit, .. } = &resource.kind else { continue };
            if !seen.insert(unit) {
                file.note(&group.span, Wrong::Twice(unit.to_string()));
            }
        }
    }
}

/// A member of a parallel group has nothing that only one node can hold.
fn check_parallel(file: &Page<'_>, group: &Written) {
    for resource in &group.spec.resources {
        let alone = match &resource.kind {
            ResourceKind::Address { .. } => true,
            ResourceKind::Volume { source, .. } => matches!(source, VolumeSource::Block(_)),
            ResourceKind::Process { .. } | ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => {
                false
            }
        };
        if alone {
            let wrong = Wrong::ParallelAlone(group.name.clone(), resource.name.clone());
            file.note(&group.span, wrong);
        }
    }
    for node in &group.spec.prefer {
        let member = member_text(&group.name, node);
        if GroupName::new(&member).is_err() {
            let length = member.chars().count();
            file.note(&group.span, Wrong::NameTooLong { name: member, length });
        }
    }
}

fn check_named(file: &Page<'_>, written: &[Written], names: &[Given<String>]) {
    for name in names {
        if written.iter().any(|g| g.name.as_str() == name.value) {
            continue;
        }
        let known = written.iter().map(|g| g.name.as_str());
        let known = meant_or_all(&name.value, known);
        file.note(&name.span, Wrong::Reference { name: name.value.clone(), known });
    }
}

/// Two groups that must share a node, directly or by way of others, cannot be apart, and must
/// have a node that both may own.
fn check_together(file: &Page<'_>, written: &[Written], group: &Written) {
    let bound = bound_to(written, &group.name);
    let of = |name: &str| written.iter().find(|g| g.name.as_str() == name);
    for apart in &group.apart {
        if bound.contains(&apart.value) {
            let wrong = Wrong::ApartAndTogether(group.name.clone(), apart.value.clone());
            file.note(&apart.span, wrong);
        }
    }
    for together in &group.together {
        let Some(other) = of(&together.value) else { continue };
        let parallel = other.shape == Shape::Parallel || group.shape == Shape::Parallel;
        let shares = group.spec.prefer.iter().any(|n| other.spec.prefer.contains(n));
        if parallel || !shares || other.name == group.name {
            let wrong = Wrong::NeverTogether(group.name.clone(), other.name.clone());
            file.note(&together.span, wrong);
        }
    }
}

/// A group that comes after itself, directly or by way of others, would wait for ever.
fn check_after(file: &Page<'_>, written: &[Written], group: &Written) {
    let of = |name: &str| written.iter().find(|g| g.name.as_str() == name);
    let mut open: Vec<Vec<String>> = vec![vec![group.name.to_string()]];
    let mut seen = BTreeSet::new();
    while let Some(chain) = open.pop() {
        let last = chain.last().and_then(|name| of(name));
        for next in last.into_iter().flat_map(|g| &g.after) {
            let longer = [chain.clone(), vec![next.value.clone()]].concat();
            if next.value == group.name.as_str() {
                let span =
                    group.after.first().map_or_else(|| group.span.clone(), |a| a.span.clone());
                return file.note(&span, Wrong::Cycle(longer.join(" → ")));
            }
            if seen.insert(next.value.clone()) {
                open.push(longer);
            }
        }
    }
}

/// The groups that share a node with `name`, itself among them.
fn bound_to(written: &[Written], name: &GroupName) -> BTreeSet<String> {
    let mut bound = BTreeSet::from([name.to_string()]);
    loop {
        let before = bound.len();
        for group in written {
            let others: Vec<&String> = group.together.iter().map(|t| &t.value).collect();
            let touches =
                bound.contains(group.name.as_str()) || others.iter().any(|o| bound.contains(*o));
            if touches && !others.is_empty() {
                bound.insert(group.name.to_string());
                bound.extend(others.into_iter().cloned());
            }
        }
        if bound.len() == before {
            return bound;
        }
    }
}

fn member_text(group: &GroupName, node: &NodeName) -> String {
    format!("{group}_{node}")
}

/// The members of a group: itself, or `G_n1`, `G_n2` for a parallel one.
fn members(written: &Written) -> Vec<(GroupName, Mode, Vec<NodeName>)> {
    match written.shape {
        Shape::Single => {
            vec![(written.name.clone(), Mode::Single, written.spec.prefer.clone())]
        }
        Shape::Parallel => {
            let member = |node: &NodeName| {
                let name = GroupName::new(&member_text(&written.name, node)).ok()?;
                Some((name, Mode::MemberOf(written.name.clone()), vec![node.clone()]))
            };
            written.spec.prefer.iter().filter_map(member).collect()
        }
    }
}

/// Groups as the planner knows them: parallel ones as their members, apart and together as
/// something that both sides know of.
pub(super) fn resolve(file: &Page<'_>, written: Vec<Written>) -> BTreeMap<GroupName, GroupSpec> {
    let names: BTreeMap<GroupName, Vec<GroupName>> = written
        .iter()
        .map(|w| (w.name.clone(), members(w).into_iter().map(|(name, _, _)| name).collect()))
        .collect();
    let mut out = BTreeMap::new();
    let mut spans: BTreeMap<GroupName, Range<usize>> = BTreeMap::new();
    for one in &written {
        for (name, mode, prefer) in members(one) {
            if let Some(first) = spans.insert(name.clone(), one.span.clone()) {
                let later = if first.start > one.span.start { &first } else { &one.span };
                file.note(later, Wrong::Twice(name.to_string()));
            }
            let after = one.after.iter().filter_map(|g| GroupName::new(&g.value).ok()).collect();
            out.insert(name, GroupSpec { mode, prefer, after, ..one.spec.clone() });
        }
    }
    for one in &written {
        let all = |given: &[Given<String>]| -> BTreeSet<GroupName> {
            let of = |g: &Given<String>| names.iter().find(|(n, _)| n.as_str() == g.value);
            given.iter().filter_map(of).flat_map(|(_, members)| members.clone()).collect()
        };
        let (apart, together) = (all(&one.apart), all(&one.together));
        for mine in names.get(&one.name).into_iter().flatten() {
            bind(&mut out, mine, &apart, |spec| &mut spec.apart);
            bind(&mut out, mine, &together, |spec| &mut spec.together);
        }
    }
    out
}

/// Writes the relation on both sides.
fn bind(
    groups: &mut BTreeMap<GroupName, GroupSpec>,
    mine: &GroupName,
    others: &BTreeSet<GroupName>,
    side: fn(&mut GroupSpec) -> &mut BTreeSet<GroupName>,
) {
    for other in others.iter().filter(|o| *o != mine) {
        if let Some(spec) = groups.get_mut(mine) {
            side(spec).insert(other.clone());
        }
        if let Some(spec) = groups.get_mut(other) {
            side(spec).insert(mine.clone());
        }
    }
}
