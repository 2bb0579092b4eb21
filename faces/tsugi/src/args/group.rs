//! `tsugi group …`

use clap::Subcommand;

use super::Changing;

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
        changing: Changing,
    },
    Stop {
        group: String,
        #[command(flatten)]
        changing: Changing,
    },
    Move {
        group: String,
        node: Option<String>,
        #[command(flatten)]
        changing: Changing,
    },
    Pause {
        group: String,
        #[arg(long = "for", value_name = "TIME")]
        hold: Option<String>,
        #[command(flatten)]
        changing: Changing,
    },
    Resume {
        group: String,
        #[command(flatten)]
        changing: Changing,
    },
    Clear {
        group: String,
        #[command(flatten)]
        changing: Changing,
    },
}
