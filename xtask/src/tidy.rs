//! The rules of the house, one file a rule.

pub mod allowed;
mod catalogue;
mod commands;
mod documents;
mod layers;
mod marks;
mod names;
pub mod privileged;
mod purity;
mod reasons;
mod size;
mod texts;

use crate::finding::Finding;
use crate::tree::Tree;

/// A rule: it looks at the tree and changes nothing.
pub struct Check {
    /// Finds what breaks the rule.
    pub look: fn(&Tree) -> Vec<Finding>,
}

/// Every rule, in the order they are printed.
pub const CHECKS: &[Check] = &[
    Check { look: layers::look },
    Check { look: reasons::look },
    Check { look: purity::look },
    Check { look: names::look },
    Check { look: size::look },
    Check { look: privileged::look },
    Check { look: marks::look },
    Check { look: texts::look },
    Check { look: catalogue::look },
    Check { look: documents::look },
    Check { look: allowed::look },
];
