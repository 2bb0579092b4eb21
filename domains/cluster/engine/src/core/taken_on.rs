//! As what a node has taken its groups on, written down for the agent that comes after this one.
//!
//! A group runs as it was configured when its epoch began here, whatever is applied later. An
//! agent that finds it running must stop just that: by a newer configuration an address or a
//! volume of the older would be left behind. The files stand beside the sockets, one a group;
//! they need no more than to survive the agent, because nothing that runs survives the machine.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tsugi_cluster_rules::node::{Taken, TakenOn};
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_vocabulary::{BootId, Epoch, GroupName};

/// The version of the form that is written; one of a later form is not read.
const FORMAT: u8 = 1;

/// What stands in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    format: u8,
    epoch: Epoch,
    spec: GroupSpec,
    /// The life of the machine; nothing that runs outlives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<BootId>,
}

/// The files of a node.
#[derive(Debug)]
pub struct Notebook {
    dir: PathBuf,
    machine: BootId,
    written: BTreeMap<GroupName, Epoch>,
}

impl Notebook {
    /// The notebook of the node whose sockets are in `run_dir`, in this life of its machine.
    #[must_use]
    pub fn in_folder(run_dir: &Path, machine: BootId) -> Self {
        // Of the directory of the sockets only this part is the agent's to write in.
        let dir = run_dir.join(tsugi_host::hands::AGENT_DIR).join("taken-on");
        Self { dir, machine, written: BTreeMap::new() }
    }

    /// This life of the machine.
    #[must_use]
    pub fn machine(&self) -> BootId {
        self.machine
    }

    /// What earlier agents have written. What cannot be read says nothing: the group is then
    /// looked for as it is configured now.
    #[must_use]
    pub fn read(&self) -> TakenOn {
        let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files.filter_map(|file| page(&file.path())).collect()
    }

    /// Writes down as what a group is taken on; once for an epoch.
    ///
    /// # Errors
    /// It cannot be written. Nothing of the group may come up then.
    pub fn write(&mut self, group: &GroupName, epoch: Epoch, spec: &GroupSpec) -> io::Result<()> {
        if self.written.get(group) == Some(&epoch) {
            return Ok(());
        }
        let machine = Some(self.machine);
        let page = Page { format: FORMAT, epoch, spec: spec.clone(), machine };
        std::fs::create_dir_all(&self.dir)?;
        let next = self.dir.join(format!("{group}.next"));
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec(&page)?)?;
        std::fs::rename(&next, self.dir.join(format!("{group}.json")))?;
        self.written.insert(group.clone(), epoch);
        Ok(())
    }
}

fn page(path: &Path) -> Option<(GroupName, Taken)> {
    if path.extension()? != "json" {
        return None;
    }
    let group = GroupName::new(path.file_stem()?.to_str()?).ok()?;
    let page: Page = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let Page { format, epoch, spec, machine } = page;
    (format == FORMAT).then(|| (group, Taken { epoch, spec: Arc::new(spec), machine }))
}

#[cfg(test)]
mod tests;
