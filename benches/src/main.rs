//! Speed against the limit of the machine it was measured on.

mod counter;
mod limits;
mod plan;
mod row;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use row::Row;

/// Speed against the limit of the machine.
#[derive(Debug, Parser)]
struct Cli {
    /// What is measured; everything without it.
    #[arg(value_enum)]
    name: Option<Name>,
    /// Measure the peers beside it, where there are any.
    #[arg(long)]
    peers: bool,
    /// Write the rows there as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Calls of the sample: each a durable number and its kept reply.
    Counter,
    /// Plans for 200 groups on three nodes after the loss of one.
    Plan,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The disk or the network of this machine failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What was measured did not do its work.
    #[error("{0}")]
    Failed(String),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(good) if good => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("bench: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool, Trouble> {
    let names = cli.name.map_or_else(|| Name::value_variants().to_vec(), |name| vec![name]);
    let mut rows: Vec<Row> = Vec::new();
    let mut good = true;
    println!("{}", row::heading());
    for name in names {
        let measured = match name {
            Name::Counter => counter::measure()?,
            Name::Plan => {
                let row = plan::measure()?;
                good &= row.p50_ms <= plan::LIMIT_MS;
                vec![row]
            }
        };
        for row in &measured {
            println!("{row}");
        }
        if cli.peers {
            println!("{name:?}: no peer does the same, so none is measured");
        }
        rows.extend(measured);
    }
    if let Some(path) = &cli.json {
        let text = serde_json::to_string_pretty(&rows).expect("plain data is always JSON");
        std::fs::write(path, text + "\n")?;
    }
    Ok(good)
}
