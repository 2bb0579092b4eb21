//! The services of the verification report: its two groups as `samples/report` configures them,
//! with the names of the lab's hosts and disks, and their packages, deployed as a user does it.

use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use super::binary::Build;
use super::config::{LINKS_OF_ADDRESSES, Policy};
use super::served::Served;
use crate::Trouble;
use crate::host::{data, device, disk};
use crate::site;

/// The configuration that a user copies.
const SAMPLE: &str = include_str!("../../../../samples/report/tsugi.toml");
/// What the sample says where the lab has something else.
const PROGRAM: &str = "/usr/bin/tsugi";

/// More failures than a rehearsal has.
const OFTEN: i64 = 1000;
/// Where a daemon reads who may call, as the sample has it.
pub(super) const CALLERS: &str = "/etc/tsugi/callers";
/// Who that is.
pub(super) const CALLER: &str =
    "caller 764ad80bb9abecca5bdc87cdc76b077b601b2be9eb1efad0a2cc56ef27bec198\n";
/// The token of that caller.
pub const TOKEN: &str = "a-token-of-the-rehearsal";
/// The groups: host, address and mount of each as the sample has them.
pub(super) const GROUPS: [&str; 2] = ["ESSRV01", "ESSRV02"];
/// Their addresses.
pub(super) const ADDRESSES: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
/// Their volumes.
pub(super) const VOLUMES: [&str; 2] = ["u01", "u02"];
/// Their services, which are called as their programs.
pub(super) const SERVICES: [&str; 2] = ["CBLAPP01", "CBLAPP02"];
/// The packages of these.
const PACKAGES: [&str; 2] = ["srv01", "srv02"];
/// The files of these.
const FILES: [&str; 2] = ["APPFILE01", "APPFILE02"];

/// The group that stands by for one of the report's: the daemon of its calls on every node.
#[must_use]
pub fn daemon_of(group: &str) -> String {
    format!("{group}-daemon")
}

/// Where a daemon is handed its volume.
#[must_use]
pub fn control_of(group: &str) -> String {
    format!("/run/tsugi-{group}")
}

/// Where a node keeps its copies of a group's packages.
#[must_use]
pub fn copies_of(group: &str) -> String {
    format!("/var/lib/tsugi-{group}")
}

/// The groups of one service as they stand in a rehearsal's file.
pub(super) fn text(served: &Served, policy: &Policy) -> String {
    let number = served.number();
    let (old, mount) = (format!("{}:9003", ADDRESSES[number]), format!("/{}", VOLUMES[number]));
    let said = SAMPLE.replace(PROGRAM, super::PROGRAM).replace(&old, &served.at().to_string());
    let said = said.replace(&format!("\"{mount}\""), &format!("{:?}", data(served.volume())));
    let mut all: Table = said.parse().expect("the sample is a configuration");
    let mut groups = Table::new();
    let written = table(&mut all, "group");
    let daemon = served.stands_by().then(|| daemon_of(served.group));
    for name in [served.group.to_owned()].into_iter().chain(daemon) {
        let mut group = written.remove(&name).expect("the sample has it");
        let of = group.as_table_mut().expect("a group is a table");
        of.insert("prefer".into(), names(&policy.prefer));
        may_fail(of, if name == served.group { policy.restarts } else { OFTEN });
        if name == served.group {
            adapt(of, served, policy);
        }
        groups.insert(name, group);
    }
    let whole = Table::from_iter([("group".to_owned(), Value::Table(groups))]);
    format!("\n{}", toml::to_string(&whole).expect("tables are written"))
}

/// How often a group may fail: a rehearsal hits the same one many times within the sample's hour,
/// also what stands by for it.
fn may_fail(group: &mut Table, restarts: i64) {
    for (key, value) in [
        ("restarts", Value::Integer(restarts)),
        ("takeovers", Value::Integer(OFTEN)),
        ("within", Value::String("1s".into())),
    ] {
        group.insert(key.into(), value);
    }
}

/// What a rehearsal has otherwise than the sample: its disk, its addresses, and what its monitors
/// ask.
fn adapt(group: &mut Table, served: &Served, policy: &Policy) {
    group.insert("fence".into(), Value::String(policy.proof.into()));
    let listed = group.get_mut("resource").and_then(Value::as_array_mut);
    let listed = listed.expect("the sample's groups have resources");
    listed.retain(|resource| kind(resource) != "address");
    for resource in listed.iter_mut().filter_map(Value::as_table_mut) {
        match resource.get("kind").and_then(Value::as_str) {
            Some("volume") => {
                resource.insert("source".into(), Value::String(device(served.volume())));
                let copy = ["/bin/echo", crate::drilled::COPY];
                resource.insert("copy".into(), words(&copy));
                resource.insert("drop".into(), words(&["/bin/rm", "-f", crate::drilled::COPY]));
            }
            Some("process") => {
                ask_more(resource, served);
                if !served.stands_by() {
                    resource.insert("run".into(), names(&alone(served)));
                }
            }
            _ => {}
        }
    }
    for address in &served.addresses {
        let (name, prefix) = if address.is_ipv4() { ("address", 24) } else { ("address6", 64) };
        listed.push(Value::Table(Table::from_iter([
            ("name".to_owned(), Value::String(name.into())),
            ("kind".to_owned(), Value::String("address".into())),
            ("address".to_owned(), Value::String(format!("{address}/{prefix}"))),
            ("on".to_owned(), words(&LINKS_OF_ADDRESSES)),
        ])));
    }
}

/// A daemon that starts with its group, and is told what the sample tells one that stands by.
fn alone(served: &Served) -> Vec<String> {
    let control = control_of(served.group);
    let told = [
        ("--group", served.group.to_owned()),
        ("--volume", data(served.volume())),
        ("--listen", served.at().to_string()),
        ("--workers", format!("{control}.workers")),
        ("--control", control),
        ("--user", "nobody".to_owned()),
        ("--tokens", CALLERS.to_owned()),
    ];
    let told = told.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
    let plainly = ["--freebind", "--plain", "--patience", "10"].map(str::to_owned);
    [super::PROGRAM, "serve"].map(str::to_owned).into_iter().chain(told).chain(plainly).collect()
}

/// Where there is a service beside the group, it is asked for too, and more often than in the
/// sample.
fn ask_more(resource: &mut Table, served: &Served) {
    let Some(beside) = served.beside else { return };
    resource.insert("stop_limit".into(), Value::String("200ms".into()));
    let listed = resource.get_mut("monitor").and_then(Value::as_array_mut);
    let listed = listed.expect("the sample's program has monitors");
    let check = words(&["/run/bin/lab", "ask", &beside.to_string()]);
    listed.push(Value::Table(Table::from_iter([
        ("name".to_owned(), Value::String("beside".into())),
        ("check".to_owned(), check),
    ])));
    for monitor in listed.iter_mut().filter_map(Value::as_table_mut) {
        // Addresses come beside the program, and the door is asked at one.
        for (key, value) in [("every", "300ms"), ("limit", "300ms"), ("delay", "1s")] {
            monitor.insert(key.into(), Value::String(value.into()));
        }
    }
}

fn kind(resource: &Value) -> &str {
    resource.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn table<'a>(of: &'a mut Table, key: &str) -> &'a mut Table {
    of.get_mut(key).and_then(Value::as_table_mut).expect("the sample has it")
}

fn words(all: &[&str]) -> Value {
    Value::Array(all.iter().map(|word| Value::String((*word).to_owned())).collect())
}

fn names(all: &[String]) -> Value {
    Value::Array(all.iter().cloned().map(Value::String).collect())
}

/// Deploys the first service on a fresh volume.
///
/// # Errors
/// What the product said.
pub fn fill_first(dir: &Path) -> Result<(), Trouble> {
    fill(dir, 0)
}

/// Deploys the second one.
///
/// # Errors
/// What the product said.
pub fn fill_second(dir: &Path) -> Result<(), Trouble> {
    fill(dir, 1)
}

fn fill(dir: &Path, number: usize) -> Result<(), Trouble> {
    let package = import(number)?;
    let (package, dir) = (package.display().to_string(), dir.display().to_string());
    let words = ["deploy", package.as_str(), "--volume", dir.as_str(), "--group", GROUPS[number]];
    service(&words)
}

/// Makes the package of a service of its source, and says where it is.
fn import(number: usize) -> Result<PathBuf, Trouble> {
    let (program, file) = (SERVICES[number], FILES[number]);
    let package = Path::new(site::DIR).join(format!("{}.tsugi", PACKAGES[number]));
    if let Err(error) = std::fs::remove_file(&package)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let source = sample(&format!("{program}.cbl"));
    let interface = sample(&format!("{program}.toml"));
    let holds = format!("{file}={}", sample(&format!("{file}.dat")));
    let out = package.display().to_string();
    let words = ["import", source.as_str(), "--name", PACKAGES[number], "--interface"];
    let more = [interface.as_str(), "--dialect", "mf", "--data", &holds, "--out", &out];
    service(&[&words[..], &more].concat())?;
    Ok(package)
}

fn sample(name: &str) -> String {
    format!("{}/../../samples/report/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn service(words: &[&str]) -> Result<(), Trouble> {
    let mut command = Command::new(Build::Current.find()?);
    command.arg("service").args(words);
    disk::output(command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{Plan, Serves, Shape};

    #[test]
    fn the_samples_groups_are_configured_with_the_hosts_of_the_lab() {
        for shape in [Shape::Plain, Shape::Mutual, Shape::Wide] {
            let plan = Plan { shape, serves: Serves::Report, ..Plan::default() };
            let text = plan.text(shape.hosts());
            let all: Table = text.parse().unwrap();
            for served in plan.served() {
                let group = &all["group"][served.group];
                assert_eq!(group["prefer"], names(&served.prefer(shape.hosts())));
                let daemon = &all["group"][daemon_of(served.group).as_str()];
                assert_eq!(daemon["mode"].as_str(), Some("parallel"));
                let run = daemon["resource"][0]["run"].as_array().unwrap();
                let listens = Value::String(served.at().to_string());
                assert!(run.contains(&listens) && run[0].as_str() == Some("/run/bin/tsugi"));
                assert!(run.contains(&Value::String(control_of(served.group))));
                assert!(run.contains(&Value::String(copies_of(served.group))));
            }
            for foreign in ["host1", "/usr/bin", "sharevg", "\"/u0"] {
                assert!(!text.contains(foreign), "{foreign}: {text}");
            }
        }
    }
}
