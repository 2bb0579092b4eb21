//! `tsugi file …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum File {
    List(ListFiles),
    Check(CheckFiles),
    Export(ExportFile),
    Import(ImportFile),
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

#[derive(Debug, Args)]
pub struct ExportFile {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "DIR")]
    pub volume: PathBuf,
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    #[arg(long, value_name = "FORM")]
    #[arg(value_parser = ["sequential", "line-sequential", "relative", "indexed"])]
    pub form: String,
}

#[derive(Debug, Args)]
pub struct ImportFile {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "DIR")]
    pub volume: PathBuf,
    #[arg(long, value_name = "PATH")]
    pub from: PathBuf,
    #[arg(long, value_name = "FORM")]
    #[arg(value_parser = ["sequential", "line-sequential", "relative", "indexed"])]
    pub form: String,
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
