//! What `tsugi status --json` says, as far as the lab needs it.

use serde_json::Value;

use crate::Trouble;

/// How the cluster stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Who leads the ledger.
    pub leader: Option<String>,
    /// Voters and how many of them are heard.
    pub votes: (u64, u64),
    /// Names of nodes that are up.
    pub up: Vec<String>,
    /// Every group: name, state, owner, epoch.
    pub groups: Vec<GroupStatus>,
}

/// How one group stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Its owner.
    pub owner: Option<String>,
    /// The highest epoch given out.
    pub epoch: String,
}

impl Status {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is none of the kind.
    pub fn read(text: &str) -> Result<Self, Trouble> {
        let odd = |why: &str| Trouble::Failed(format!("status: {why}: {text}"));
        let document: Value =
            serde_json::from_str(text).map_err(|error| odd(&error.to_string()))?;
        let body = ["status", "body", "reply"]
            .iter()
            .find_map(|key| document.get(key).filter(|value| value.is_object()))
            .unwrap_or(&document);
        let word = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let rows = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        if body.get("groups").is_none() {
            return Err(odd("has no groups"));
        }
        let group = |row: &Value| GroupStatus {
            name: word(row, "name").unwrap_or_default(),
            state: word(row, "state").unwrap_or_default(),
            owner: word(row, "owner"),
            epoch: word(row, "epoch").unwrap_or_default(),
        };
        let is_up = |row: &&Value| row["state"].as_str() == Some("up");
        Ok(Self {
            leader: word(&body["votes"], "leader"),
            votes: (
                body["votes"]["of"].as_u64().unwrap_or(0),
                body["votes"]["heard"].as_u64().unwrap_or(0),
            ),
            up: rows("nodes").iter().filter(is_up).filter_map(|row| word(row, "name")).collect(),
            groups: rows("groups").iter().map(group).collect(),
        })
    }

    /// Whether it says anything of a running cluster.
    #[must_use]
    pub fn knows(&self) -> bool {
        !self.groups.is_empty() && self.leader.is_some()
    }

    /// A group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&GroupStatus> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Whether all of `nodes` hosts are up, all voters heard and all groups running.
    #[must_use]
    pub fn is_whole(&self, nodes: usize) -> bool {
        let (of, heard) = self.votes;
        self.up.len() == nodes
            && of == heard
            && self.groups.iter().all(|group| group.state == "running" && group.owner.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_whole_when_every_node_is_up_and_every_group_runs() {
        let text = r#"{"schema":{"name":"status","version":1},
            "votes":{"of":3,"heard":3,"needed":2,"leader":"n2"},
            "nodes":[{"name":"n1","state":"up"},{"name":"n2","state":"up"},
                {"name":"n3","state":"missing"}],
            "groups":[{"name":"counter","state":"running","owner":"n1","epoch":"e1.4"}]}"#;
        let status = Status::read(text).unwrap();
        assert_eq!(status.leader.as_deref(), Some("n2"));
        assert!(!status.is_whole(3));
        let status = Status::read(&text.replace("missing", "up")).unwrap();
        assert!(status.is_whole(3));
        assert_eq!(status.group("counter").unwrap().owner.as_deref(), Some("n1"));
        assert!(Status::read("{}").is_err());
    }
}
