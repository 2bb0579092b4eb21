//! How a daemon is started. A group's line of the cluster's configuration says it, so it is the
//! same on every node.

use std::net::SocketAddr;
use std::path::{self, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Parser};

/// A daemon that is started with its group.
#[derive(Clone, Debug, Parser)]
#[command(name = "tsugi serve")]
pub struct Whole {
    /// The group's volume.
    #[arg(long, value_name = "DIR", value_parser = anchored())]
    pub volume: PathBuf,
    /// The epoch of the ownership.
    #[arg(
        long,
        env = "TSUGI_EPOCH",
        hide_env = true,
        default_value = "e0.0",
        hide_default_value = true
    )]
    pub epoch: String,
    /// Listen at an address that is not on this node yet.
    #[arg(long)]
    pub freebind: bool,
    /// Seconds to wait for another process to leave the address.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, hide_default_value = true)]
    pub patience: f64,
    /// The local socket at which it is asked; on its volume where none is said.
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// What any daemon is told.
    #[command(flatten)]
    pub daemon: OfDaemon,
}

/// A daemon that stands by.
#[derive(Clone, Debug, Parser)]
#[command(name = "tsugi serve standby")]
pub struct Standby {
    /// The local socket at which a volume is handed over.
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,
    /// Listen only while the volume is here: for nodes that share the addresses of one machine.
    #[arg(long)]
    pub listen_late: bool,
    /// A folder on this node for copies of the group's packages, of which all else is removed: its
    /// workers are started by them before the volume comes.
    #[arg(long, value_name = "DIR", value_parser = anchored())]
    pub copies: Option<PathBuf>,
    /// What any daemon is told.
    #[command(flatten)]
    pub daemon: OfDaemon,
}

/// What hands a volume over.
#[derive(Clone, Debug, Parser)]
#[command(name = "tsugi serve activate")]
pub struct Activate {
    /// The local socket of the daemon that stands by.
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,
    /// The group's volume.
    #[arg(long, value_name = "DIR", value_parser = anchored())]
    pub volume: PathBuf,
    /// The epoch of the ownership.
    #[arg(long, env = "TSUGI_EPOCH", hide_env = true)]
    pub epoch: String,
}

/// What a daemon is told in any case.
#[derive(Clone, Debug, Args)]
pub struct OfDaemon {
    /// The group.
    #[arg(long, env = "TSUGI_GROUP", hide_env = true)]
    pub group: String,
    /// The name of this node.
    #[arg(long, env = "TSUGI_NODE", hide_env = true)]
    pub node: String,
    /// Where callers come in.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// What the directory of its node calls that listener.
    #[arg(long, value_name = "NAME", default_value = "Web Services", hide_default_value = true)]
    pub listener: String,
    /// The folder of its log; `log` on its volume where none is said.
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// A folder for its workers, of which all is removed.
    #[arg(long, value_name = "DIR", value_parser = anchored())]
    pub workers: Option<PathBuf>,
    /// The user of its workers, where it is root itself.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The PostgreSQL that keeps the store, as its library names it, without a password; the volume
    /// keeps it where none is said.
    #[arg(long, value_name = "CONNECTION")]
    pub postgres: Option<String>,
    /// A file of its password, which nobody else can read.
    #[arg(long, value_name = "FILE", requires = "postgres")]
    pub password_file: Option<PathBuf>,
    /// Which member of the group this is, where several have one store open.
    #[arg(long, value_name = "NAME", requires = "postgres")]
    pub member: Option<String>,
    /// Calls at a time that the store is asked for.
    #[arg(long, value_name = "N", default_value_t = 8, hide_default_value = true)]
    pub sessions: usize,
    /// Where another group's callers come in, whose services programs may call; once for each.
    #[arg(long, value_name = "GROUP=DOORS")]
    pub other: Vec<String>,
    /// A file of the token that is shown to other groups.
    #[arg(long, value_name = "FILE", requires = "other")]
    pub other_token: Option<PathBuf>,
    /// Who signs the certificates of other groups; plain HTTP where none is said.
    #[arg(long, value_name = "FILE", requires = "other")]
    pub other_authorities: Option<PathBuf>,
    /// Workers of each service.
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    pub start: usize,
    /// Milliseconds that a call may take.
    #[arg(long, value_name = "MS", default_value_t = 3_000, hide_default_value = true)]
    pub call_limit: u64,
    /// Calls of each service that wait to be run.
    #[arg(long, value_name = "N", default_value_t = 1_024, hide_default_value = true)]
    pub queue: usize,
    /// Bytes of one body.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, hide_default_value = true)]
    pub body: u64,
    /// Memory that a worker may hold, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024, hide_default_value = true)]
    pub memory: u64,
    /// Milliseconds that running calls have before a move rolls them back.
    #[arg(long, value_name = "MS", default_value_t = 3_000, hide_default_value = true)]
    pub grace: u64,
    /// The time zone of its programs.
    #[arg(long, value_name = "TZ", default_value = "UTC", hide_default_value = true)]
    pub time_zone: String,
    /// The locale of its programs.
    #[arg(long, value_name = "NAME", default_value = "C.UTF-8", hide_default_value = true)]
    pub locale: String,
    /// What its programs are compiled for.
    #[arg(long, value_name = "NAME", default_value = "utf-8", hide_default_value = true)]
    pub code_page: String,
    /// A file of names and SHA-256 of tokens, of those who may call.
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// A certificate and what has signed it.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Who signs the certificates of callers.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub authorities: Option<PathBuf>,
    /// Speak plain HTTP where others reach it.
    #[arg(long, conflicts_with = "certificate")]
    pub plain: bool,
}

/// A path from the root: workers, and the daemon that a volume is handed to, run in other folders.
fn anchored() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(path::absolute)
}

const STANDBY: &str = "standby";
const ACTIVATE: &str = "activate";

/// Which part of a daemon somebody starts.
#[derive(Clone, Debug)]
pub enum Role {
    /// All of it.
    Whole(Whole),
    /// What stands by.
    Standby(Standby),
    /// What hands a volume over.
    Activate(Activate),
}

// By hand: what one part requires is not required of another.
impl FromArgMatches for Role {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        match matches.subcommand() {
            Some((STANDBY, of)) => Standby::from_arg_matches(of).map(Self::Standby),
            Some((ACTIVATE, of)) => Activate::from_arg_matches(of).map(Self::Activate),
            _ => Whole::from_arg_matches(matches).map(Self::Whole),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Role {
    fn augment_args(command: Command) -> Command {
        Whole::augment_args(command)
            .subcommand(Standby::augment_args(Command::new(STANDBY)))
            .subcommand(Activate::augment_args(Command::new(ACTIVATE)))
            .subcommand_negates_reqs(true)
            .args_conflicts_with_subcommands(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
