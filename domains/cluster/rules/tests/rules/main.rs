//! The rules, shown on clusters that are told as text.

mod random;
mod start_kinds;
mod world;
