//! `tsugi up …`: a whole cluster on one machine, to try it.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Up {
    #[arg(long = "for", value_name = "TIME")]
    pub run_for: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub lose_owner_after: Option<String>,
    #[command(subcommand)]
    pub trial: Option<Trial>,
}

#[derive(Debug, Subcommand)]
pub enum Trial {
    Kill { node: String },
    Start { node: String },
    Freeze { node: String },
}
