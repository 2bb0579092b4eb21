//! `[cluster]`, `[node.NAME]` and `[witness]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tsugi_cluster_rules::spec::{ClusterSpec, Environment, NodeSpec, Role, Takeover};
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{NameRefused, NodeName};

use super::page::{Given, Page};
use super::problem::Wrong;
use super::{device, group, ledger, value, whole};

/// The name of a witness that is given none.
const WITNESS: &str = "witness";

/// A machine and where it stands in the file.
pub(super) struct Machine {
    pub(super) spec: NodeSpec,
    pub(super) at: Given<()>,
    /// Where it finds the disk that the ledger is on, if it says so itself.
    pub(super) ledger_disk: Option<Given<String>>,
}

pub(super) type Machines = BTreeMap<NodeName, Machine>;

/// Reads the whole file; what is wrong is noted.
pub(super) fn read(file: &Page<'_>) -> Option<ClusterSpec> {
    file.only(&["cluster", "node", "witness", "group"]);
    let machines = machines(file);
    whole::check_machines(file, &machines);
    let ledger = ledger::read(file, &machines);
    let timing_and_name = head(file);
    let timing = timing_and_name.as_ref().map_or(Profile::Default, |h| h.timing);
    // A group that does not say it does as its cluster.
    let takeover = timing_and_name.as_ref().map_or(Takeover::Automatic, |h| h.takeover);
    let groups = group::read_all(file, &machines, (timing, takeover));
    let head = timing_and_name?;
    let nodes = machines.into_iter().map(|(name, m)| (name, m.spec)).collect();
    Some(ClusterSpec {
        name: head.name,
        timing: head.timing,
        language: head.language,
        nodes,
        groups: groups?,
        ledger,
        environment: head.environment,
    })
}

struct Head {
    name: String,
    timing: Profile,
    language: Option<String>,
    takeover: Takeover,
    environment: Environment,
}

fn head(file: &Page<'_>) -> Option<Head> {
    let Some(page) = file.page("cluster") else {
        if !file.has("cluster") {
            file.missing("[cluster]", "[cluster]");
        }
        return None;
    };
    page.only(&["name", "timing", "language", "takeover", "environment", "ledger", ledger::DISK]);
    let environments = [("production", Environment::Production), ("test", Environment::Test)];
    let environment = page.choice("environment", &environments).unwrap_or_default();
    let profiles = [("default", Profile::Default), ("fast", Profile::Fast)];
    let timing = page.choice("timing", &profiles).unwrap_or_default();
    let language = page.choice("language", &[("ja", "ja"), ("en", "en")]).map(str::to_owned);
    let takeover = group::takeover(&page).unwrap_or_default();
    let example = "name = \"kessai\"";
    let Some(name) = page.text("name", example) else {
        if !page.has("name") {
            page.missing("name", example);
        }
        return None;
    };
    let name = named(&page, &name, NodeName::new)?.as_str().to_owned();
    Some(Head { name, timing, language, takeover, environment })
}

/// Takes a text as a name, or notes why it is none.
pub(super) fn named<T>(
    page: &Page<'_>,
    given: &Given<String>,
    make: impl Fn(&str) -> Result<T, NameRefused>,
) -> Option<T> {
    match make(&given.value) {
        Ok(name) => Some(name),
        Err(NameRefused::TooLong { length }) => {
            let name = given.value.clone();
            page.note(&given.span, Wrong::NameTooLong { name, length });
            None
        }
        Err(NameRefused::Empty | NameRefused::Character { .. } | NameRefused::LeadingDash) => {
            let (key, value) = (value::NAME.to_owned(), given.value.clone());
            let expected = value::NAME_EXAMPLE.to_owned();
            page.note(&given.span, Wrong::Value { key, value, expected });
            None
        }
    }
}

fn machines(file: &Page<'_>) -> Machines {
    let mut out = Machines::new();
    for (name, page) in file.named_pages("node") {
        add(&mut out, &name, &page, Role::Node);
    }
    for (name, page) in witnesses(file) {
        add(&mut out, &name, &page, Role::Witness);
    }
    out
}

/// `[witness]`, or `[witness.NAME]` to give it a name.
fn witnesses<'t>(file: &Page<'t>) -> Vec<(Given<String>, Page<'t>)> {
    let Some(page) = file.page("witness") else { return Vec::new() };
    if page.has("address") || !page.has_tables() {
        let name = Given { value: WITNESS.to_owned(), span: page.span.clone() };
        return vec![(name, page)];
    }
    file.named_pages("witness")
}

fn add(out: &mut Machines, name: &Given<String>, page: &Page<'_>, role: Role) {
    page.only(match role {
        Role::Node => &["address", "fence", ledger::DISK],
        Role::Witness => &["address", "fence"],
    });
    let addresses = addresses(page);
    let disk = page.path(ledger::DISK, ledger::DISK_EXAMPLE);
    let ledger_disk = disk.map(|value| Given { value, span: page.place_of(ledger::DISK) });
    let fence = device::read(page);
    let Some(known) = named(page, name, NodeName::new) else { return };
    if out.contains_key(&known) {
        page.note(&name.span, Wrong::Twice(name.value.clone()));
        return;
    }
    let at = Given { value: (), span: name.span.clone() };
    out.insert(known, Machine { spec: NodeSpec { addresses, role, fence }, at, ledger_disk });
}

fn addresses(page: &Page<'_>) -> Vec<SocketAddr> {
    let example = value::NODE_ADDRESS_EXAMPLE;
    let Some(texts) = page.texts("address", example) else {
        if !page.has("address") {
            page.missing("address", &format!("address = {example}"));
        }
        return Vec::new();
    };
    if texts.is_empty() {
        page.wrong(&page.place_of("address"), "address", example);
    }
    let mut out = Vec::new();
    for text in texts {
        match value::node_address(&text.value) {
            Some(address) if out.contains(&address) => {
                page.note(&text.span, Wrong::Twice(text.value.clone()));
            }
            Some(address) => out.push(address),
            None => page.wrong(&text.span, "address", example),
        }
    }
    out
}
