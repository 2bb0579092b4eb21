//! Limits of resource agents that are shorter than what the agents advise. Who is used to a cluster
//! manager that fills them in from an agent's description has not written them.

use std::fs;
use std::path::Path;

use tsugi_cluster_rules::ocf::AgentName;
use tsugi_cluster_rules::ocf::description::{self, Description};
use tsugi_cluster_rules::spec::{ClusterSpec, ResourceKind, ResourceSpec};
use tsugi_vocabulary::{GroupName, NodeName, ResourceName, Span};

/// One that is shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shorter {
    /// The group.
    pub group: GroupName,
    /// The resource.
    pub resource: ResourceName,
    /// The setting.
    pub setting: &'static str,
    /// What it is.
    pub limit: Span,
    /// What its agent advises.
    pub advised: Span,
}

/// Those of the groups that this node may run, by the agents below `ocf_root`.
#[must_use]
pub fn shorter(ocf_root: &Path, spec: &ClusterSpec, me: &NodeName) -> Vec<Shorter> {
    let ours = spec.groups.iter().filter(|(_, group)| group.prefer.contains(me));
    let of_group = ours.flat_map(|(name, group)| group.resources.iter().map(move |r| (name, r)));
    of_group.flat_map(|(name, resource)| of(ocf_root, (name, resource))).collect()
}

fn of(ocf_root: &Path, (group, resource): (&GroupName, &ResourceSpec)) -> Vec<Shorter> {
    let ResourceKind::Ocf { agent, .. } = &resource.kind else { return Vec::new() };
    let Some(description) = described(ocf_root, agent) else { return Vec::new() };
    let each = [
        ("start", "start_limit", resource.start_limit),
        ("stop", "stop_limit", resource.stop_limit),
    ];
    let one = |(action, setting, limit): (&str, &'static str, Span)| {
        let advised = description.advised(action).filter(|advised| *advised > limit)?;
        let (group, resource) = (group.clone(), resource.name.clone());
        Some(Shorter { group, resource, setting, limit, advised })
    };
    each.into_iter().filter_map(one).collect()
}

/// What an agent says of itself, as it stands in its file: nothing is run for a look. One that puts
/// it together as it goes says nothing here.
fn described(ocf_root: &Path, agent: &AgentName) -> Option<Description> {
    const BEGIN: &str = "<resource-agent";
    const END: &str = "</resource-agent>";
    let path = ocf_root.join("resource.d").join(agent.provider()).join(agent.kind());
    let text = fs::read_to_string(path).ok()?;
    let begin = text.find(&format!("{BEGIN} "))?;
    let end = begin + text[begin..].find(END)? + END.len();
    description::read(&text[begin..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const FILE: &str = r#"
[cluster]
name = "shares"
[node.node1]
address = "10.0.0.1"
[node.node2]
address = "10.0.0.2"
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = ["node1"]
fence = "self"
[[group.PAY.resource]]
name = "share"
kind = "ocf"
agent = "ocf:heartbeat:Share"
"#;

    /// As agents have it: a program that prints it.
    const AGENT: &str = r#"#!/bin/sh
meta_data() {
	cat <<END
<?xml version="1.0"?>
<resource-agent name="Share" version="1.1">
<parameters><parameter name="device"><content type="string" default="${OCF_RESKEY_x}" /></parameter>
</parameters>
<actions>
<action name="start" timeout="60s" />
<action name="stop" timeout="60s" />
<action name="monitor" depth="0" timeout="40s" interval="20s" />
<action name="meta-data" timeout="5s" />
</actions>
</resource-agent>
END
}
"#;

    #[test]
    fn a_limit_that_is_shorter_than_what_the_agent_advises_is_found_on_the_nodes_of_its_group() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("resource.d/heartbeat");
        fs::create_dir_all(&folder).unwrap();
        let found = |limits: &str, me: &str| {
            let spec = config::read(&format!("{FILE}{limits}")).expect("the file is right").spec;
            shorter(root.path(), &spec, &NodeName::new(me).unwrap())
        };
        assert_eq!(found("", "node1"), [], "there is no such agent");
        fs::write(folder.join("Share"), AGENT).unwrap();
        // Without a word a start may take 60 s and a stop 10 s.
        let all = found("", "node1");
        let [one] = &all[..] else { panic!("the stop alone: {all:?}") };
        assert_eq!(
            (one.setting, one.limit, one.advised),
            ("stop_limit", Span::secs(10), Span::secs(60))
        );
        assert_eq!(found("stop_limit = \"60s\"", "node1"), []);
        let both = found("start_limit = \"59s\"\nstop_limit = \"59s\"", "node1");
        assert_eq!(
            both.iter().map(|s| s.setting).collect::<Vec<_>>(),
            ["start_limit", "stop_limit"]
        );
        assert_eq!(found("", "node2"), [], "it never runs there");
        fs::write(folder.join("Share"), "#!/bin/sh\nexec describe\n").unwrap();
        assert_eq!(found("", "node1"), [], "it says nothing in its file");
    }
}
