//! `tsugi node …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CONFIG_FILE, Changing, DATA_DIR, Gentle, Lasting};

#[derive(Clone, Debug, Subcommand)]
pub enum Node {
    Run(Run),
    List,
    Token {
        node: String,
        #[arg(long = "for", value_name = "TIME", default_value = "1h", hide_default_value = true)]
        good_for: String,
        #[command(flatten)]
        gentle: Gentle,
    },
    Join {
        #[arg(long, value_name = "FILE", default_value = "-", hide_default_value = true)]
        token_file: PathBuf,
        #[command(flatten)]
        gentle: Gentle,
    },
    Leave {
        node: String,
        #[command(flatten)]
        changing: Changing,
    },
    Drain {
        node: String,
        #[command(flatten)]
        lasting: Lasting,
    },
    Undrain {
        node: String,
        #[command(flatten)]
        changing: Changing,
    },
    Fence {
        node: String,
        #[command(flatten)]
        lasting: Lasting,
    },
    ConfirmOff {
        node: String,
        #[command(flatten)]
        lasting: Lasting,
    },
    RecoverMajority(RecoverMajority),
}

/// Without whom a node that does not run keeps the ledger from now on.
#[derive(Clone, Debug, Args)]
pub struct RecoverMajority {
    #[arg(long, value_name = "NODE", required = true)]
    pub lost: Vec<String>,
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub gentle: Gentle,
}

/// How a node is run.
#[derive(Clone, Debug, Args)]
pub struct Run {
    #[arg(long, value_name = "NODE")]
    pub name: Option<String>,
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE, hide_default_value = true)]
    pub config: PathBuf,
    #[arg(long, value_name = "DIR", default_value = DATA_DIR, hide_default_value = true)]
    pub data_dir: PathBuf,
    #[arg(long, value_name = "DEVICE")]
    pub watchdog: Option<PathBuf>,
    /// One of several nodes of a trial on one machine: its fence ends its own processes only.
    #[arg(long, hide = true)]
    pub trial: bool,
}
