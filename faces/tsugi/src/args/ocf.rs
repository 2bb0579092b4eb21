//! `tsugi ocf …`

use clap::Subcommand;

#[derive(Clone, Debug, Subcommand)]
pub enum Ocf {
    Test {
        #[arg(value_name = "AGENT")]
        agent: String,
        #[arg(long, short, value_name = "NAME=VALUE")]
        parameter: Vec<String>,
        #[arg(long, value_name = "TIME")]
        within: Option<String>,
    },
}
