//! Has the compiler tell where it has put the items of the parameters.

use tsugi_record::field::Place;
use tsugi_record::probe::{Difference, Differs, Probe};
use tsugi_record::source::Interface;

use super::NotImported;
use super::cobc::Compiler;

/// Compiles the probe of a source, runs it, and compares what it tells with the layouts.
pub(super) fn prove(
    compiler: &Compiler<'_>,
    text: &str,
    interface: &Interface,
    stem: &str,
) -> Result<(), NotImported> {
    // Without parameters there is nothing to be told.
    if interface.parameters.is_empty() {
        return Ok(());
    }
    let Some(probe) = Probe::of(text, interface, stem) else { return Ok(()) };
    let said = compiler.run_both(&probe.driver, (stem, &probe.program))?;
    match probe.compare(&said.printed) {
        Ok(()) => Ok(()),
        // What the run-time system complained of says more than that a line is missing.
        Err(differs) if differs.what == Difference::Silent && !said.errors.is_empty() => {
            let line: String = said.errors.chars().take(200).collect();
            let at = Place { file: String::new(), line: 0 };
            let what = Difference::Unread { line };
            Err(NotImported::Layout(Box::new(Differs { item: differs.item, at, what })))
        }
        Err(differs) => Err(NotImported::Layout(differs)),
    }
}
