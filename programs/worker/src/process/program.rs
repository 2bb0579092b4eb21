//! The seam between a worker and what it holds.

use tsugi_frames::{Class, Hash, Open, Reply, Runs, Welcome};

use super::host::Host;
use super::link::LastWord;

/// What a worker can hold, before it is opened.
pub trait Kind {
    /// What the worker says of it in its first word.
    fn introduction(&self) -> Introduction;

    /// Loads and checks everything that a call needs. The services are those of `welcome`; each
    /// call names one by its index there. `last_word` is for a program that ends its process in
    /// the middle of a call.
    ///
    /// # Errors
    /// Why it cannot be run.
    fn open(
        self: Box<Self>,
        welcome: &Welcome<'_>,
        last_word: LastWord,
    ) -> Result<Box<dyn Program>, Unopened>;
}

/// What a worker says of what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Which kind it is.
    pub runs: Runs,
    /// Which libcob, or nothing.
    pub libcob: String,
    /// The hashes of its modules.
    pub modules: Vec<Hash>,
}

/// Why a program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// What kind of failure: [`Class::Start`] or [`Class::Interposition`].
    pub class: Class,
    /// What is wrong with it, by name.
    pub text: String,
}

impl Unopened {
    /// It cannot be loaded, or is not what was said of it.
    #[must_use]
    pub fn start(text: impl Into<String>) -> Self {
        Self { class: Class::Start, text: text.into() }
    }
}

/// A program that is loaded.
pub trait Program {
    /// Runs one call. What it asks of the engine, it asks `host`.
    fn call(&mut self, host: &mut Host<'_>) -> Ended;

    /// Before an orderly end of the worker. One that is killed does not leave.
    fn leave(&mut self) {}
}

/// How a call ended, as its program sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// In order.
    Done {
        /// What it gives back.
        reply: Reply<'static>,
        /// The files that stay open in this worker.
        open: Vec<Open>,
    },
    /// It refuses the call: what it did is undone. Its worker may be used on.
    Aborted {
        /// What it returned.
        code: i32,
        /// Why.
        why: String,
    },
    /// It cannot go on. Its worker runs nothing any more and waits to be killed.
    Broken {
        /// What kind of failure.
        class: Class,
        /// Its exit code, or the signal.
        code: i32,
        /// What is known of it.
        text: String,
    },
}
