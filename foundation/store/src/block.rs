//! Services that take no calls by the word of somebody, until he takes it back.

/// That a service takes no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who wants that.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when, in milliseconds of Unix time.
    pub at: i64,
}
