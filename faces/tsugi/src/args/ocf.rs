//! `tsugi ocf …`

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Clone, Debug, Subcommand)]
pub enum Ocf {
    Install {
        #[arg(value_name = "DIR", default_value = "/usr/lib/ocf/resource.d/tsugi")]
        #[arg(hide_default_value = true)]
        directory: PathBuf,
    },
    Test {
        #[arg(value_name = "AGENT")]
        agent: String,
        #[arg(long, short, value_name = "NAME=VALUE")]
        parameter: Vec<String>,
        #[arg(long, value_name = "TIME")]
        within: Option<String>,
    },
}
