//! `tsugi service …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tsugi_vocabulary::GroupName;

#[derive(Debug, Subcommand)]
pub enum Service {
    Import(Import),
    Deploy(Deploy),
    Packages(Packages),
    Status(Running),
    Block {
        service: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        at: Running,
    },
    Open {
        service: String,
        #[command(flatten)]
        at: Running,
    },
    Resolve {
        #[command(flatten)]
        call: OfCall,
        #[command(flatten)]
        as_what: AsWhat,
        #[command(flatten)]
        at: Running,
    },
    Forget {
        #[command(flatten)]
        call: OfCall,
        #[command(flatten)]
        at: Running,
    },
}

/// Which daemon is asked; without a word the one of this machine.
#[derive(Debug, Default, Args)]
pub struct Running {
    #[arg(long, value_name = "DIR")]
    pub volume: Option<PathBuf>,
    #[arg(long, value_name = "GROUP", conflicts_with = "volume")]
    pub group: Option<GroupName>,
    #[arg(long, value_name = "PATH", conflicts_with_all = ["volume", "group"])]
    pub control: Option<PathBuf>,
}

/// Which call is meant.
#[derive(Debug, Args)]
pub struct OfCall {
    pub id: String,
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
}

/// What a call of unknown outcome counts as.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct AsWhat {
    #[arg(long)]
    pub not_carried_out: bool,
    #[arg(long, value_name = "JSON")]
    pub carried_out: Option<String>,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub volume: Option<PathBuf>,
    #[arg(long, value_name = "GROUP")]
    pub group: Option<GroupName>,
    #[arg(long, value_name = "CONNECTION", requires = "group", conflicts_with = "dry_run")]
    pub postgres: Option<String>,
    #[arg(long, value_name = "FILE", requires = "postgres")]
    pub password_file: Option<PathBuf>,
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Packages {
    #[arg(long, value_name = "DIR")]
    pub volume: Option<PathBuf>,
    #[arg(long, value_name = "GROUP")]
    pub group: Option<GroupName>,
}

#[derive(Debug, Args)]
pub struct Import {
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    #[arg(long)]
    pub command: bool,
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub entry: Option<String>,
    #[arg(long, value_name = "SOURCE", conflicts_with = "command")]
    pub with: Vec<PathBuf>,
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub copybooks: Vec<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub interface: Option<PathBuf>,
    #[arg(long, value_name = "FILE=PATH", conflicts_with = "command")]
    pub data: Vec<String>,
    #[arg(long, requires = "data")]
    pub lines: bool,
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    #[arg(long, value_name = "WHERE", default_value = "store", hide_default_value = true)]
    #[arg(value_parser = ["store", "outside", "reads"])]
    pub effects: String,
    #[arg(long, value_name = "SERVICE")]
    pub resolve: Option<String>,
    #[arg(long, value_name = "HOW", default_value = "none", hide_default_value = true)]
    #[arg(value_parser = ["none", "told"])]
    pub order: String,
    #[arg(long, value_name = "N")]
    pub workers: Option<u64>,
    #[arg(long, value_name = "MS")]
    pub call_limit: Option<u64>,
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u64>,
    #[arg(long, value_name = "FILE=RECORDS", conflicts_with = "command")]
    pub most: Vec<String>,
    #[arg(long, value_name = "FORM", default_value = "fixed", hide_default_value = true)]
    #[arg(value_parser = ["fixed", "free"])]
    pub form: String,
    #[arg(long, value_name = "COBOL", default_value = "mf", hide_default_value = true)]
    #[arg(value_parser = ["mf", "ibm", "default"])]
    pub dialect: String,
    #[arg(long, value_name = "PAGE", default_value = "shift-jis", hide_default_value = true)]
    #[arg(value_parser = ["shift-jis", "euc-jp", "utf-8", "ascii"])]
    pub code_page: String,
    #[arg(long, value_name = "WHAT", default_value = "refused", hide_default_value = true)]
    #[arg(value_parser = ["refused", "nothing"])]
    pub commits: String,
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
