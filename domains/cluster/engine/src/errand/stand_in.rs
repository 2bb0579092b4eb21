//! Stand-ins for tests of what starts programs beside the groups.

use std::path::PathBuf;

use tsugi_host::request::{Program, Report, Request, RequestId, Unmounting};
use tsugi_host::{Gone, Host};

use super::Surroundings;

/// Hands that write down what they are to start, and start nothing.
#[derive(Default)]
pub struct FakeHands(pub Vec<Program>);

impl Host for FakeHands {
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone> {
        match request {
            Request::Spawn(program) => self.0.push(program.clone()),
            other => panic!("{other:?} starts no program"),
        }
        Ok(RequestId(self.0.len() as u64))
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        Ok(None)
    }
}

/// A node with its data in this folder.
pub fn around(node: &str, data_dir: impl Into<PathBuf>) -> Surroundings {
    Surroundings {
        node: node.to_owned(),
        run_dir: "/run/tsugi".into(),
        log_dir: "/".into(),
        data_dir: data_dir.into(),
        path: "/usr/sbin:/usr/bin".to_owned(),
        ocf_root: "/usr/lib/ocf".into(),
        cluster: 7,
        tsugi: "/usr/bin/tsugi".to_owned(),
        agent_uid: 0,
        hands_uid: 0,
        unmounting: Unmounting::Gentle,
    }
}
