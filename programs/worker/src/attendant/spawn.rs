//! What is to be started: which program, as whom, with what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use tsugi_cobol::UnitOfWork;
use tsugi_frames::Encoding;
use tsugi_host::enclosed::User;
use tsugi_host::request::Limits;

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Open files, where a package asks for nothing else.
const OPEN_FILES: u64 = 256;
/// How much a process may write to its output in one call, in bytes, where nothing else is said.
const OUTPUT_MOST: u64 = 1 << 20;
/// How much memory a process may hold, in bytes, where nothing else is said.
const MEMORY_MOST: u64 = 1 << 30;

/// What every worker of a group is told of where it runs: the same on each of its nodes, but for
/// the node's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The group: `TSUGI_GROUP`.
    pub group: String,
    /// The node: `TSUGI_NODE`, and what `gethostname` answers where the starter may say so.
    pub node: String,
    /// The cluster's time zone: `TZ`.
    pub time_zone: String,
    /// The cluster's locale: `LANG` and `LC_ALL`.
    pub locale: String,
    /// What programs are compiled for: `TSUGI_CODE_PAGE`.
    pub code_page: String,
}

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// How it writes frames.
    pub encoding: Encoding,
    /// Whose rights it has.
    pub user: User,
    /// What it may use.
    pub limits: Limits,
    /// Where it runs.
    pub environment: Environment,
    /// What else its environment has. It cannot replace what is said by the others.
    pub more: BTreeMap<String, String>,
    /// How much it may write to its output in one call, in bytes; beyond that, and what a pipe
    /// holds, it floods.
    pub output_most: u64,
    /// How much memory it may hold, in bytes: what of it is there, not what it has asked for.
    /// It is looked at a few times a second, while it runs.
    pub memory_most: u64,
}

impl Spawn {
    /// A command in any language, which speaks lines on its standard input and output.
    #[must_use]
    pub fn command(argv: Vec<String>, user: User, environment: Environment) -> Self {
        let limits = Limits {
            open_files: Some(OPEN_FILES),
            memory_bytes: None,
            processes: None,
            core_bytes: Some(0),
        };
        let (encoding, more, output_most) = (Encoding::Lines, BTreeMap::new(), OUTPUT_MOST);
        let memory_most = MEMORY_MOST;
        Self { argv, encoding, user, limits, environment, more, output_most, memory_most }
    }

    /// A shared library: `worker` is the command line of a process that holds one, without the
    /// words that say which.
    #[must_use]
    pub fn library(
        mut worker: Vec<String>,
        path: &Path,
        user: User,
        environment: Environment,
    ) -> Self {
        worker.extend(["library".to_owned(), path.to_string_lossy().into_owned()]);
        Self { encoding: Encoding::Binary, ..Self::command(worker, user, environment) }
    }

    /// Modules of COBOL, those of a folder: `worker` as for [`Self::library`]. Only the worker of
    /// a package that declares it has COMMIT and ROLLBACK do nothing; else they end their call.
    #[must_use]
    pub fn cobol(
        mut worker: Vec<String>,
        (folder, unit_of_work): (&Path, UnitOfWork),
        user: User,
        environment: Environment,
    ) -> Self {
        worker.extend(["cobol".to_owned(), folder.to_string_lossy().into_owned()]);
        match unit_of_work {
            UnitOfWork::Refuse => {}
            UnitOfWork::Ignore => worker.push("ignore".to_owned()),
        }
        Self { encoding: Encoding::Binary, ..Self::command(worker, user, environment) }
    }

    /// The whole environment but for what its folder adds; made from empty.
    pub(super) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let own = &self.environment;
        let said = [
            ("PATH", PATH),
            ("TZ", &own.time_zone),
            ("LANG", &own.locale),
            ("LC_ALL", &own.locale),
            ("TSUGI_GROUP", &own.group),
            ("TSUGI_NODE", &own.node),
            ("TSUGI_CODE_PAGE", &own.code_page),
        ];
        let more = self.more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        more.chain(said).map(|(name, value)| (name.into(), value.into())).collect()
    }
}
