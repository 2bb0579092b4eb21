//! What every command that changes something takes.

use clap::Args;

/// Of a change that may interrupt service.
#[derive(Clone, Debug, Default, Args)]
pub struct Changing {
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[arg(long, value_name = "GENERATION")]
    pub decided_on: Option<u64>,
}

/// Of a change that takes its time.
#[derive(Clone, Debug, Default, Args)]
pub struct Lasting {
    #[command(flatten)]
    pub changing: Changing,
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "60s")]
    pub wait: Option<String>,
}

impl From<Changing> for Lasting {
    fn from(changing: Changing) -> Self {
        Self { changing, wait: None }
    }
}

impl From<Gentle> for Lasting {
    fn from(gentle: Gentle) -> Self {
        Changing::from(gentle).into()
    }
}

/// Of a change that interrupts nothing.
#[derive(Clone, Debug, Default, Args)]
pub struct Gentle {
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

impl From<Gentle> for Changing {
    fn from(gentle: Gentle) -> Self {
        Self { dry_run: gentle.dry_run, reason: gentle.reason, decided_on: None }
    }
}
