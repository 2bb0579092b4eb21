//! `tsugi proc …`

use clap::{ArgGroup, Args, Subcommand};

#[derive(Clone, Debug, Subcommand)]
pub enum Proc {
    Load(Load),
    Kill {
        id: String,
        #[arg(long, value_name = "TIME", default_value = "10s", hide_default_value = true)]
        within: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    List,
    Hold {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    Watch {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("at_end").args(["fail", "failover", "restart"]))]
pub struct Load {
    pub id: String,
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    #[arg(long)]
    pub fail: bool,
    #[arg(long)]
    pub failover: bool,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9))]
    pub restart: Option<u32>,
    #[arg(long, value_name = "TIME", requires = "restart")]
    pub within: Option<String>,
    #[arg(long, value_name = "TIME", requires = "restart")]
    pub delay: Option<String>,
    #[arg(long, value_name = "TIME", requires = "restart")]
    pub interval: Option<String>,
    #[arg(long, requires = "restart")]
    pub rerun_scripts: bool,
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[arg(long, value_name = "NAME", conflicts_with = "program")]
    pub service: Option<String>,
    #[arg(
        required_unless_present = "service",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    #[arg(value_name = "PROGRAM")]
    pub program: Vec<String>,
}
