//! Runs seeds of the false world, shrinks what breaks, and looks for planted faults.

pub mod coverage;
pub mod decisions;
pub mod mutants;
pub mod run;
pub mod series;
pub mod services;
pub mod shrink;
