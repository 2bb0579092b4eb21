//! The commands and their options, as they are typed. Their help stands in the catalogue, under
//! `help_` and the words of the command, and under `arg_` and the name of the option.

mod call;
mod change;
mod drill;
mod file;
mod group;
mod monitor;
mod node;
mod ocf;
mod proc;
mod region;
mod service;
mod trial;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tsugi_wire::control::How;

pub use call::Call;
pub use change::{Changing, Gentle, Lasting};
pub use drill::{Drill, Level};
pub use file::{CheckFiles, ExportFile, File, ImportFile, ListFiles};
pub use group::Group;
pub use monitor::{Monitor, Patience};
pub use node::{Node, RecoverMajority, Run};
pub use ocf::Ocf;
pub use proc::{Load, Proc};
pub use region::{Region, StopRegion};
pub use service::{Deploy, Import, OfCall, Packages, Running, Service};
pub use trial::{Trial, Up};

/// Where the one configuration file is.
pub const CONFIG_FILE: &str = "/etc/tsugi/tsugi.toml";
/// Where a node keeps what must survive.
pub const DATA_DIR: &str = "/var/lib/tsugi";

#[derive(Debug, Parser)]
#[command(name = "tsugi", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(arg_required_else_help = true, disable_colored_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    #[arg(long, global = true, value_name = "ja|en")]
    pub lang: Option<String>,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, global = true, value_name = "DIR", env = "TSUGI_RUN_DIR", hide_env = true)]
    pub run_dir: Option<PathBuf>,
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Status {
        #[arg(long)]
        watch: bool,
        #[arg(long)]
        long: bool,
    },
    Why {
        #[arg(value_name = "GROUP|NODE")]
        of: Option<String>,
    },
    Doctor,
    Parity {
        group: Option<String>,
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    Drill(Drill),
    Explain {
        group: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
        back: u64,
    },
    History {
        #[arg(value_name = "GROUP|NODE")]
        of: Option<String>,
        #[arg(short, long, value_name = "N", default_value_t = 50, hide_default_value = true)]
        most: u64,
    },
    #[command(subcommand)]
    Whatif(WhatIf),
    #[command(subcommand)]
    Group(Group),
    #[command(subcommand)]
    Node(Node),
    #[command(subcommand)]
    Proc(Proc),
    #[command(subcommand)]
    Service(Service),
    Serve(tsugi_serve::Role),
    #[command(subcommand)]
    Region(Region),
    #[command(subcommand)]
    File(File),
    Stretch(Stretch),
    Call(Call),
    Init {
        #[arg(default_value = CONFIG_FILE, hide_default_value = true)]
        file: PathBuf,
        #[command(flatten)]
        gentle: Gentle,
    },
    Plan {
        #[arg(default_value = CONFIG_FILE, hide_default_value = true)]
        file: PathBuf,
    },
    Apply {
        #[arg(default_value = CONFIG_FILE, hide_default_value = true)]
        file: PathBuf,
        #[arg(long, value_name = "TIME")]
        confirm_within: Option<String>,
        #[arg(long)]
        unverified: bool,
        #[command(flatten)]
        lasting: Lasting,
    },
    Confirm {
        #[command(flatten)]
        gentle: Gentle,
    },
    #[command(subcommand)]
    Config(Config),
    Backup {
        file: PathBuf,
    },
    Restore {
        file: PathBuf,
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        changing: Changing,
    },
    #[command(subcommand)]
    Audit(Audit),
    #[command(subcommand)]
    Monitor(Monitor),
    #[command(subcommand)]
    Ocf(Ocf),
    Listen {
        #[arg(value_name = "ADDRESS:PORT")]
        at: SocketAddr,
        #[arg(value_name = "PROGRAM", required = true)]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        run: Vec<OsString>,
    },
    Metrics {
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
    },
    Message {
        #[arg(required_unless_present_any = ["all", "journal"])]
        id: Option<String>,
        #[arg(long)]
        all: bool,
        #[arg(long, conflicts_with_all = ["id", "all"])]
        journal: bool,
    },
    Up(Up),
    #[command(subcommand)]
    Compat(Compat),
    Completions {
        shell: clap_complete::Shell,
    },
    Man {
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    #[command(hide = true)]
    Commands,
    #[command(hide = true)]
    Agent(Raw),
    #[command(hide = true)]
    Guardian(Raw),
    #[command(hide = true)]
    Hands(Raw),
    #[command(hide = true, subcommand)]
    Sample(tsugi_counter::Sample),
}

/// Words that a daemon reads by itself.
#[derive(Debug, Args)]
pub struct Raw {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub words: Vec<OsString>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum WhatIf {
    Lose { node: String },
    Drain { node: String },
    Stop { group: String },
    Move { group: String, node: String },
    LinkDown { node: String, link: String },
}

#[derive(Debug, Subcommand)]
pub enum Config {
    Validate {
        #[arg(default_value = CONFIG_FILE, hide_default_value = true)]
        file: PathBuf,
    },
    Diff {
        #[arg(default_value = CONFIG_FILE, hide_default_value = true)]
        file: PathBuf,
    },
    Set {
        key: String,
        value: String,
        #[command(flatten)]
        on: OnFile,
    },
    Unset {
        key: String,
        #[command(flatten)]
        on: OnFile,
    },
    Show,
}

/// The file of which an item is changed.
#[derive(Debug, Args)]
pub struct OnFile {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE, hide_default_value = true)]
    pub file: PathBuf,
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

impl OnFile {
    /// Whether the file is to be written.
    pub fn how(&self) -> How {
        if self.dry_run { How::DryRun } else { How::ForReal }
    }
}

/// How long time-outs are for a while.
#[derive(Clone, Debug, Args)]
pub struct Stretch {
    #[arg(required_unless_present = "end", conflicts_with = "end")]
    pub ratio: Option<u32>,
    #[arg(long = "for", value_name = "TIME")]
    #[arg(required_unless_present = "end", conflicts_with = "end")]
    pub hold: Option<String>,
    #[arg(long)]
    pub end: bool,
    #[command(flatten)]
    pub changing: Changing,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    List {
        #[arg(short, long, value_name = "N", default_value_t = 50, hide_default_value = true)]
        most: u64,
    },
    Verify,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Compat {
    Install {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}
