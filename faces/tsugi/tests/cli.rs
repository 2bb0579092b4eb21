//! The command line as people and programs use it: the built binary, in both languages.

#[path = "cli/agent.rs"]
mod agent;
#[path = "cli/bad.rs"]
mod bad;
#[path = "cli/call.rs"]
mod call;
#[path = "cli/cobol_members.rs"]
mod cobol_members;
#[path = "cli/config_item.rs"]
mod config_item;
#[path = "cli/counting.rs"]
mod counting;
#[path = "cli/drill.rs"]
mod drill;
#[path = "cli/ending.rs"]
mod ending;
#[path = "../../client/tests/client/false_server.rs"]
#[expect(dead_code, reason = "the client's own tests use more of it")]
mod false_server;
#[path = "cli/file.rs"]
mod file;
#[path = "cli/listing.rs"]
mod listing;
#[path = "cli/members.rs"]
mod members;
#[path = "cli/metrics.rs"]
mod metrics;
#[path = "cli/ocf.rs"]
mod ocf;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/old_names.rs"]
mod old_names;
#[path = "cli/online.rs"]
mod online;
#[path = "cli/operate.rs"]
mod operate;
#[path = "cli/parity.rs"]
mod parity;
#[path = "cli/proc.rs"]
mod proc;
#[path = "cli/regions.rs"]
mod regions;
#[path = "cli/sample.rs"]
mod sample;
#[path = "cli/schema.rs"]
mod schema;
#[expect(clippy::unwrap_used, dead_code, reason = "its own room uses more of it")]
#[path = "../../../foundation/store/tests/postgres/server.rs"]
mod server;
#[path = "cli/service.rs"]
mod service;
#[path = "cli/up.rs"]
mod up;
#[path = "cli/worker.rs"]
mod worker;

use std::path::Path;
use std::process::{Command, Output};

/// Runs `tsugi` with these words, in English, away from any cluster of the machine.
pub fn tsugi(run_dir: &Path, words: &[&str]) -> Ran {
    run(run_dir, "en_US.UTF-8", words)
}

/// The same in Japanese.
pub fn tsugi_ja(run_dir: &Path, words: &[&str]) -> Ran {
    run(run_dir, "ja_JP.UTF-8", words)
}

/// The same under another name, by a link that stands at `program`.
pub fn tsugi_as(program: &Path, run_dir: &Path, words: &[&str]) -> Ran {
    run_as(program, run_dir, "en_US.UTF-8", words)
}

fn run(run_dir: &Path, locale: &str, words: &[&str]) -> Ran {
    run_as(Path::new(env!("CARGO_BIN_EXE_tsugi")), run_dir, locale, words)
}

fn run_as(program: &Path, run_dir: &Path, locale: &str, words: &[&str]) -> Ran {
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .env("TSUGI_RUN_DIR", run_dir)
        .env("LANG", locale)
        .env("TZ", "UTC")
        .output()
        .expect("the binary was built");
    Ran::of(&output)
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said.
    pub err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints UTF-8");
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// It ended so and said so.
    #[track_caller]
    pub fn ended(&self, code: i32, said: &str) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.out.contains(said) || self.err.contains(said), "{said:?} is not in {self:#?}");
        self
    }
}
