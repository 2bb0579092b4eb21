//! `tsugi call …`

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct Call {
    pub service: String,
    #[arg(value_name = "NAME=VALUE", conflicts_with = "body")]
    pub fields: Vec<String>,
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub body: Option<String>,
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[arg(env = "TSUGI_CALL_AT", hide_env = true, value_delimiter = ',')]
    pub at: Vec<String>,
    #[arg(long, value_name = "TEXT")]
    pub id: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub order: Option<String>,
    #[arg(long, value_name = "TIME", default_value = "5s", hide_default_value = true)]
    pub deadline: String,
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "ca", requires = "key")]
    pub cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub server_name: Option<String>,
}
