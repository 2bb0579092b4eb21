//! `tsugi monitor …`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Changing;

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
    Suspend {
        #[arg(value_name = "GROUP/RESOURCE[/MONITOR]")]
        monitor: String,
        #[arg(long = "for", value_name = "TIME")]
        hold: Option<String>,
        #[command(flatten)]
        changing: Changing,
    },
    Resume {
        #[arg(value_name = "GROUP/RESOURCE[/MONITOR]")]
        monitor: String,
        #[command(flatten)]
        changing: Changing,
    },
}

/// How long an answer is waited for; a monitor of a group is ended at its own limit.
#[derive(Clone, Debug, Args)]
pub struct Patience {
    #[arg(long, value_name = "TIME", default_value = "5s", hide_default_value = true)]
    pub within: String,
}
