//! A run as a list of decisions: a text that outlives changes of the generator.
//!
//! ```text
//! # why it is kept
//! mutant release-without-stop
//! setting any
//! seed 12
//! run_ms 90000
//!    3000 power 0 500
//! ```

use std::fmt::Write;

use tsugi_world::Fault;

use crate::mutants;
use crate::run::{RUN_MS, Run, Setting};

/// A list of decisions, and the fault that is planted in the rules meanwhile, if one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// The planted fault; with one, a promise must break.
    pub mutant: Option<&'static str>,
    /// The run.
    pub run: Run,
}

/// Writes a list down.
#[must_use]
pub fn write(decisions: &Decisions) -> String {
    let mut text = String::new();
    if let Some(mutant) = decisions.mutant {
        text += &format!("mutant {mutant}\n");
    }
    let run = &decisions.run;
    let setting = match run.setting {
        Setting::Any => "any",
        Setting::Apart => "apart",
        Setting::Fenced => "fenced",
        Setting::Devices => "devices",
        Setting::SharedDisk => "shared-disk",
    };
    text += &format!("setting {setting}\nseed {}\nrun_ms {}\n", run.seed, run.run_ms);
    for fault in &run.faults {
        writeln!(text, "{fault}").expect("a string takes everything");
    }
    text
}

/// Reads a list.
///
/// # Errors
/// The line that is no decision.
pub fn read(text: &str) -> Result<Decisions, String> {
    let run = Run { seed: 0, setting: Setting::Any, run_ms: RUN_MS, faults: Vec::new() };
    let mut decisions = Decisions { mutant: None, run };
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        take(&mut decisions, line).ok_or_else(|| line.to_owned())?;
    }
    Ok(decisions)
}

fn take(decisions: &mut Decisions, line: &str) -> Option<()> {
    let run = &mut decisions.run;
    match line.split_once(' ') {
        Some(("mutant", name)) => decisions.mutant = Some(mutants::named(name)?),
        Some(("seed", n)) => run.seed = n.parse().ok()?,
        Some(("run_ms", n)) => run.run_ms = n.parse().ok()?,
        Some(("setting", "any")) => run.setting = Setting::Any,
        Some(("setting", "apart")) => run.setting = Setting::Apart,
        Some(("setting", "fenced")) => run.setting = Setting::Fenced,
        Some(("setting", "devices")) => run.setting = Setting::Devices,
        Some(("setting", "shared-disk")) => run.setting = Setting::SharedDisk,
        _ => run.faults.push(Fault::parse(line)?),
    }
    Some(())
}
