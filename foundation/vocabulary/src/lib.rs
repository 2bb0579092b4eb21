//! The words that three or more rooms of tsugi share: names, epochs, moments and spans.
//!
//! Nothing here decides and nothing here touches the machine. A word enters this crate when a
//! third room needs it; a word that two rooms share lives with the more basic of the two.

mod claim;
mod epoch;
mod name;
mod time;
pub mod timer;

pub use claim::{Claim, Claims, Held};
pub use epoch::{BootId, Epoch, Generation, Index};
pub use name::{GroupName, NameRefused, NodeName, ResourceName};
pub use time::{Moment, Span, Wall};
