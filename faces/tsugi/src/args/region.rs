//! `tsugi region …`

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use super::Changing;

#[derive(Clone, Debug, Subcommand)]
pub enum Region {
    List {
        region: Option<String>,
        #[arg(long, value_name = "HOST:PORT")]
        at: Option<String>,
    },
    Monitor {
        region: String,
        #[arg(long, value_name = "NAME")]
        listener: Vec<String>,
    },
    Stop(StopRegion),
    Serve {
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Vec<SocketAddr>,
    },
}

/// How a region is stopped.
#[derive(Clone, Debug, Args)]
pub struct StopRegion {
    pub region: String,
    #[arg(long, value_name = "TIME", default_value = "60s", hide_default_value = true)]
    pub within: String,
    #[arg(long, conflicts_with = "within")]
    pub force: bool,
    #[command(flatten)]
    pub changing: Changing,
}
