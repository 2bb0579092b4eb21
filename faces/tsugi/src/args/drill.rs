//! `tsugi drill …`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Changing;

#[derive(Clone, Debug, Args)]
pub struct Drill {
    #[arg(required_unless_present_any = ["plan", "all"])]
    pub group: Option<String>,
    #[arg(long, value_enum, value_name = "LEVEL")]
    #[arg(required_unless_present_any = ["last", "back", "plan", "all"])]
    pub level: Option<Level>,
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
    #[arg(long, value_name = "TIME", default_value = "120s", hide_default_value = true)]
    pub window: String,
    #[arg(long, value_name = "TIME", default_value = "10s", hide_default_value = true)]
    pub gap: String,
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    #[arg(long, conflicts_with_all = ["level", "back"])]
    pub last: bool,
    #[arg(long, conflicts_with = "level")]
    pub back: bool,
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["group", "level", "to", "window", "gap", "last", "back", "all"])]
    #[arg(conflicts_with = "decided_on")]
    pub plan: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "plan")]
    #[arg(conflicts_with_all = ["group", "level", "last", "back", "all"])]
    pub variables: Option<PathBuf>,
    #[arg(long, conflicts_with_all = ["group", "level", "to", "window", "gap", "last", "back"])]
    #[arg(conflicts_with = "decided_on")]
    pub all: bool,
    #[command(flatten)]
    pub changing: Changing,
}

// What each level is stands in the catalogue: clap would print comments of documentation as help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Check,
    Read,
    Isolate,
    Move,
}
