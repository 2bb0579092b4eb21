//! `tsugi monitor …`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Subcommand)]
pub enum Monitor {
    Tcp {
        #[arg(value_name = "HOST:PORT")]
        at: String,
        #[command(flatten)]
        patience: Patience,
    },
    Http {
        #[arg(value_name = "URL")]
        url: String,
        #[command(flatten)]
        patience: Patience,
    },
    Ping {
        #[arg(value_name = "ADDRESS")]
        host: IpAddr,
        #[command(flatten)]
        patience: Patience,
    },
    Link {
        link: String,
    },
    Disk {
        #[arg(value_name = "PATH")]
        disk: PathBuf,
    },
}

/// How long an answer is waited for; a monitor of a group is ended at its own limit.
#[derive(Clone, Debug, Args)]
pub struct Patience {
    #[arg(long, value_name = "TIME", default_value = "5s", hide_default_value = true)]
    pub within: String,
}
