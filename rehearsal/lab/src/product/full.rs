//! A group with a resource of every kind that a host of the lab can have: systemd alone is missing.

use super::config::add;
use super::served::Served;
use crate::host::{Host, MORE, data, device};

/// Where the page of the node can be read.
const PAGE: &str = "127.0.0.1:9101";
/// What the resource agent makes, and what the scripts make.
const BY_AGENT: &str = "/run/agent.state";
const BY_SCRIPTS: &str = "/run/scripts.state";

/// What a group has besides an address, an ext4 and a program: an xfs, a directory, what a resource
/// agent keeps, scripts, and a program that is asked in every way. None of them waits for another.
pub(super) fn resources(served: &Served) -> String {
    let group = served.group;
    let (device, data) = (device(MORE), data(MORE));
    let head = format!("[[group.{group}.resource]]");
    let mut text = format!(
        r#"
{head}
name = "more"
kind = "volume"
source = "{device}"
mount = "{data}"

{head}
name = "directory"
kind = "volume"
mount = "/run/volume"

{head}
name = "agent"
kind = "ocf"
agent = "ocf:heartbeat:Dummy"
parameters = {{ state = "{BY_AGENT}" }}
undo = "kill"
every = "1s"

{head}
name = "scripts"
kind = "process"
start = ["/bin/touch", "{BY_SCRIPTS}"]
stop = ["/bin/rm", "-f", "{BY_SCRIPTS}"]
monitor = ["/usr/bin/test", "-e", "{BY_SCRIPTS}"]
every = "1s"

{head}
name = "page"
kind = "process"
user = "root"
run = ["/run/bin/tsugi", "metrics", "--listen", "{PAGE}"]
"#
    );
    for check in [
        format!("tcp = \"{PAGE}\""),
        format!("http = \"http://{PAGE}/metrics\""),
        "link = \"eth2\"".to_owned(),
        format!("ping = \"{}\"", Host::address(3, 0)),
        format!("disk = \"{device}\""),
    ] {
        let name = check.split(' ').next().expect("its kind comes first");
        add(
            &mut text,
            &format!(
                r#"
[[group.{group}.resource.monitor]]
name = "{name}"
check = {{ {check} }}
every = "1s"
delay = "1s"
action = "notify"
"#
            ),
        );
    }
    text
}

/// What the owner has not of all that, or another host still has: a mount, or a program that
/// serves. A file may lie about where a guardian has released the group: only its script or its
/// agent would take it away.
#[must_use]
pub fn misplaced(hosts: &[Host], owner: &str) -> Option<String> {
    let serves = |host: &Host| host.processes().iter().any(|p| p.argv.iter().any(|w| w == PAGE));
    let wrong = |host: &Host| {
        let (mounted, serves) = (host.has_volume(MORE), serves(host));
        let [by_agent, by_scripts] = [BY_AGENT, BY_SCRIPTS].map(|path| host.read(path).is_ok());
        let right = match host.name == owner {
            true => mounted && serves && by_agent && by_scripts,
            false => !mounted && !serves,
        };
        (!right).then(|| {
            let name = &host.name;
            format!(
                "{name} (owner: {owner}): volume {mounted}, page {serves}, agent {by_agent}, \
                 scripts {by_scripts}"
            )
        })
    };
    hosts.iter().find_map(wrong)
}
