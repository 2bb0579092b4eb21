//! When a call whose store has one writer may have another group's service called, and what becomes
//! of the replies that other groups keep for it.
//!
//! A program runs before its call has the writer: that is taken with the first thing that it asks
//! of its store. Until then it may wait for another group; from then on it may not, and a queue is
//! the way. What acts outside the store is durable as *started* before its program runs, and has
//! the writer no earlier for it.
//!
//! ```text
//! state │ asks another group      │ asks its store │ nothing more │ came back │ is over
//! ──────┼─────────────────────────┼────────────────┼──────────────┼───────────┼────────
//! Free  │ Back where its worker   │ Has: speaks    │ Free: is     │ ·         │ Has:
//!       │ remembers, else Away:   │                │ answered     │           │ speaks
//!       │ calls, the nth          │                │              │           │
//! Back  │ as Free                 │ Has: speaks    │ ·            │ ·         │ Has
//! Away  │ ·                       │ ·              │ ·            │ Free      │ Has
//! Has   │ ·  (refused: it holds)  │ ·              │ ·            │ ·         │ ·
//! ```
//!
//! Invariant: nobody who has the writer, or waits for it, waits for another group. Invariant: a
//! program that remembers what may never have been calls nobody who could not be made to forget it.
//! Invariant: the same call has the same number whenever its caller runs. Invariant: what others
//! keep is given up only when its caller is durable, so that every further run finds it.

use crate::mutant::mutant;

/// Faults that can be planted here, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("abroad-with-writer", "who holds the writer does not wait for another store"),
    ("abroad-remembering", "what was lost is not told to another group"),
    ("abroad-counted-on", "the same call has the same number whenever its caller runs"),
    ("abroad-end-waits", "who is over does not wait for another group"),
    ("abroad-given-up-early", "a reply is kept elsewhere until its caller is durable"),
];

/// Where a run stands that began without the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its program works, and has asked nothing of its store.
    #[default]
    Free,
    /// It is to call another group, and its worker remembers a call that is not durable yet.
    Back,
    /// It waits for another group.
    Away,
    /// It has the writer, or waits for it.
    Has,
}

/// What a program needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Another group's service.
    Group(Memory),
    /// Its own store.
    Store,
    /// Nothing: all that it asks for is known.
    Nothing,
}

/// What the worker of a call remembers of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Only what is durable.
    Settled,
    /// Something that may yet be undone.
    Open,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its program waits for this.
    Asks(Needs),
    /// What it waited for has come back, or was refused.
    Came,
    /// It has an end that was not its program's to choose: its limit, or that of its process.
    Over,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Have the service called, as the how-manieth of this call, from 1.
    Call(u32),
    /// Answer its program.
    Answer,
    /// It waits for the writer.
    Speak,
    /// Nothing: it is asked again.
    Wait,
}

/// A run of a call, as it goes towards the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abroad {
    state: State,
    called: u32,
}

impl Abroad {
    /// A run that begins with the writer, or has nothing to ask of anybody.
    #[must_use]
    pub const fn with_writer() -> Self {
        Self { state: State::Has, called: 0 }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many services it has called: those that it calls with the writer are counted on.
    #[must_use]
    pub const fn called(&self) -> u32 {
        self.called
    }

    /// Takes one event and answers with what is to be done.
    pub fn step(&mut self, event: Event) -> Order {
        match (self.state, event) {
            (State::Has, Event::Asks(Needs::Group(_))) if mutant("abroad-with-writer") => {
                self.call()
            }
            (State::Away, Event::Over) if mutant("abroad-end-waits") => Order::Wait,
            (State::Free | State::Back, Event::Asks(Needs::Group(Memory::Open)))
                if !mutant("abroad-remembering") =>
            {
                self.state = State::Back;
                Order::Wait
            }
            (State::Free | State::Back, Event::Asks(Needs::Group(_))) => self.call(),
            (State::Free | State::Back, Event::Asks(Needs::Store))
            | (State::Free | State::Back | State::Away, Event::Over) => {
                self.state = State::Has;
                Order::Speak
            }
            (State::Free, Event::Asks(Needs::Nothing)) => Order::Answer,
            (State::Away, Event::Came) => {
                self.state = State::Free;
                Order::Wait
            }
            (State::Free | State::Back, Event::Came)
            | (State::Back, Event::Asks(Needs::Nothing))
            | (State::Away, Event::Asks(_))
            | (State::Has, Event::Asks(_) | Event::Came | Event::Over) => Order::Wait,
        }
    }

    fn call(&mut self) -> Order {
        self.state = State::Away;
        self.called += if mutant("abroad-counted-on") { 2 } else { 1 };
        Order::Call(self.called)
    }
}

/// What became of a run that has called other groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// Its end is durable, whichever that is.
    Durable,
    /// Nothing of it is left: it runs again where it is asked for.
    Undone,
    /// It acted outside and was interrupted: nobody knows, and it may yet be run again by whoever
    /// decides.
    Unknown,
}

/// What becomes of the replies that other groups keep for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// They need not be kept.
    GivenUp,
    /// Whoever runs the call again is told them. Where it never runs again they go with their age.
    Kept,
}

/// What becomes of replies elsewhere by what became of their caller.
#[must_use]
pub fn replies(of: Became) -> Replies {
    match of {
        Became::Durable => Replies::GivenUp,
        Became::Undone | Became::Unknown if mutant("abroad-given-up-early") => Replies::GivenUp,
        Became::Undone | Became::Unknown => Replies::Kept,
    }
}
