//! Shrinks a run that breaks a promise: fewer faults first, then shorter ones.

use tsugi_world::Fault;

use crate::run::{Run, Verdict};

/// How many runs a shrink may take.
const TRIES: usize = 600;

/// The smallest run found that still breaks the same promise.
#[must_use]
pub fn shrink(run: &Run) -> Run {
    let (Verdict::Broken(first), _) = run.play() else { return run.clone() };
    let mut tries = TRIES;
    let mut breaks = |faults: &[Fault]| {
        tries = tries.saturating_sub(1);
        let same = |v: Verdict| matches!(v, Verdict::Broken(v) if v.invariant == first.invariant);
        tries > 0 && same(run.with(faults.to_vec()).play().0)
    };
    let faults = fewer(run.faults.clone(), &mut breaks);
    let faults = shorter(faults, &mut breaks);
    run.with(faults)
}

/// Takes away halves, then quarters, down to single faults (ddmin).
fn fewer(mut faults: Vec<Fault>, breaks: &mut dyn FnMut(&[Fault]) -> bool) -> Vec<Fault> {
    let mut size = faults.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut less = false;
        while at < faults.len() {
            let mut rest = faults.clone();
            rest.drain(at..(at + size).min(faults.len()));
            if breaks(&rest) {
                faults = rest;
                less = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !less {
            return faults;
        }
        size = (size / 2).max(1);
    }
}

fn shorter(mut faults: Vec<Fault>, breaks: &mut dyn FnMut(&[Fault]) -> bool) -> Vec<Fault> {
    for i in 0..faults.len() {
        while let Some(next) = faults[i].shorter() {
            let mut all = faults.clone();
            all[i] = next;
            if !breaks(&all) {
                break;
            }
            faults = all;
        }
    }
    faults
}
