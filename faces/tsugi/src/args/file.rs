//! `tsugi file …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum File {
    List(ListFiles),
    Check(CheckFiles),
}

#[derive(Debug, Args)]
pub struct ListFiles {
    #[arg(long, value_name = "DIR")]
    pub volume: PathBuf,
}

#[derive(Debug, Args)]
pub struct CheckFiles {
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub volume: PathBuf,
}
