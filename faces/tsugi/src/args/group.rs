//! `tsugi group …`

use clap::Subcommand;

use super::{Changing, Lasting};

#[derive(Clone, Debug, Subcommand)]
pub enum Group {
    List,
    Start {
        group: String,
        #[arg(long, value_name = "NODE")]
        on: Option<String>,
        #[arg(long, conflicts_with = "inherit")]
        fresh: bool,
        #[arg(long)]
        inherit: bool,
        #[command(flatten)]
        lasting: Lasting,
    },
    Stop {
        group: String,
        #[command(flatten)]
        lasting: Lasting,
    },
    Move {
        group: String,
        node: Option<String>,
        #[command(flatten)]
        lasting: Lasting,
    },
    Pause {
        #[arg(required_unless_present = "all")]
        group: Option<String>,
        #[arg(long, conflicts_with = "group")]
        all: bool,
        #[arg(long = "for", value_name = "TIME")]
        hold: Option<String>,
        #[command(flatten)]
        changing: Changing,
    },
    Resume {
        #[arg(required_unless_present = "all")]
        group: Option<String>,
        #[arg(long, conflicts_with = "group")]
        all: bool,
        #[arg(long)]
        owner_is_off: bool,
        #[command(flatten)]
        lasting: Lasting,
    },
    Clear {
        group: String,
        #[command(flatten)]
        lasting: Lasting,
    },
}
