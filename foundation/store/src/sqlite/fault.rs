//! Calls that fail when they are told to. In a build without the suite there is nothing of it.

use rusqlite::Connection;

#[cfg(any(test, feature = "suite"))]
use std::sync::Arc;
#[cfg(any(test, feature = "suite"))]
use std::sync::atomic::{AtomicI64, Ordering};

/// What fails, and how.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    #[cfg(any(test, feature = "suite"))]
    plan: Option<Plan>,
    #[cfg(any(test, feature = "suite"))]
    left: Arc<AtomicI64>,
}

/// How a call fails.
#[cfg(any(test, feature = "suite"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is not done at all.
    Before,
    /// It is done, and told as failed.
    After,
    /// SQLite has ended the whole transaction.
    Whole,
}

/// One planned fault.
#[cfg(any(test, feature = "suite"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How.
    pub moment: Moment,
    /// SQLite's extended code.
    pub code: i32,
}

impl Faults {
    /// Nothing fails.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The call number `nth`, from 0, fails so.
    #[cfg(any(test, feature = "suite"))]
    #[must_use]
    pub fn nth(nth: i64, plan: Plan) -> Self {
        Self { plan: Some(plan), left: Arc::new(AtomicI64::new(nth)) }
    }

    /// Whether it has come to that call.
    #[cfg(any(test, feature = "suite"))]
    #[must_use]
    pub fn met(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }

    /// Makes a call that may fail.
    pub(super) fn around<T>(
        &self,
        connection: &Connection,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        #[cfg(any(test, feature = "suite"))]
        if let Some(plan) = self.due() {
            match plan.moment {
                Moment::Before => {}
                Moment::After => drop(run(connection)?),
                Moment::Whole => drop(connection.execute_batch("ROLLBACK")),
            }
            let code = rusqlite::ffi::Error::new(plan.code);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
        run(connection)
    }

    /// Makes a call of the system that may fail.
    pub(super) fn system<T>(&self, run: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        #[cfg(any(test, feature = "suite"))]
        if self.due().is_some() {
            return Err(std::io::Error::other("it was told to fail"));
        }
        run()
    }

    #[cfg(any(test, feature = "suite"))]
    fn due(&self) -> Option<Plan> {
        let plan = self.plan?;
        (self.left.fetch_sub(1, Ordering::Relaxed) == 0).then_some(plan)
    }
}
