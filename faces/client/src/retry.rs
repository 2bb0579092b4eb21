//! What is safe to ask again: one table from what was met to what comes next.
//!
//! Every try of a call has the same id, so asking again is safe wherever an answer may still come.
//! What the table decides is where asking goes on, and what may be said once it ends: that nothing
//! was carried out is said only if no try was ever taken in by anybody.

/// What the problem details of a refusal say of asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Again, under the same id, here.
    SameId,
    /// Again, under the same id, at another address.
    Elsewhere,
    /// Not again: it would be refused as before.
    Never,
}

/// What stands in the head of an answer, as far as the table asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// None of those below.
    Plain,
    /// `Tsugi-Final`: it is kept, and every try gets it.
    Final,
    /// Problem details of this wire.
    Refusal(Wants),
}

/// What one try met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// There was no connection: nothing was sent.
    NoConnection,
    /// A connection that was kept from an earlier call ended before anything came.
    Stale,
    /// The connection ended before the whole answer was there.
    CutOff,
    /// Nothing came for as long as this client waits for one try.
    Silence,
    /// An answer that is none of this wire.
    NotUnderstood,
    /// An answer that is larger than this client takes.
    TooLong,
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// What stands in its head.
        marks: Marks,
    },
}

/// Whether the call may have been carried out, or may still be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoFar {
    /// No try was taken in by anybody.
    NotDone,
    /// One may have been.
    MayBeDone,
}

/// Where the next try goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the same address, on the connection that is there.
    Same,
    /// To the same address, over a new connection.
    Anew,
    /// To the next address.
    Next,
}

/// What is left where nobody can say what became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its answer is not kept any more: asking again is of no use.
    Nothing,
    /// Asking again later may find it.
    AskLater,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Its reply is there.
    Replied,
    /// It ended abnormally, and nothing of it stayed; kept like a reply.
    Ended,
    /// Again, under the same id.
    Again(Place),
    /// It was refused, and nothing of it was carried out.
    Refused,
    /// Nobody can say now.
    NotKnown(Left),
}

/// What comes after a try that met this, and what may have been done by then.
#[must_use]
pub const fn next(met: Met, so_far: SoFar) -> (Next, SoFar) {
    use SoFar::MayBeDone;
    match met {
        Met::NoConnection => (Next::Again(Place::Next), so_far),
        // Whoever keeps connections ends idle ones; it is asked again before it is left.
        Met::Stale => (Next::Again(Place::Anew), MayBeDone),
        Met::CutOff | Met::Silence => (Next::Again(Place::Next), MayBeDone),
        Met::NotUnderstood => (Next::Again(Place::Next), MayBeDone),
        Met::TooLong => (Next::NotKnown(Left::AskLater), MayBeDone),
        Met::Answer { status, marks } => match (status, marks) {
            (200, Marks::Plain | Marks::Final) => (Next::Replied, MayBeDone),
            (500, Marks::Final) => (Next::Ended, MayBeDone),
            // It is pending there.
            (202, _) => (Next::Again(Place::Same), MayBeDone),
            // What is gone was carried out, or confirmed.
            (410, Marks::Refusal(_)) => (Next::NotKnown(Left::Nothing), MayBeDone),
            (_, Marks::Refusal(wants)) => refusal(status, wants, so_far),
            (_, Marks::Final) => (Next::Again(Place::Next), MayBeDone),
            (_, Marks::Plain) => plain(status, so_far),
        },
    }
}

/// A refusal says that nothing was carried out by this try; of an earlier one it says nothing.
const fn refusal(status: u16, wants: Wants, so_far: SoFar) -> (Next, SoFar) {
    // It met a call that is under way or that nobody knows the end of.
    let so_far = if status == 409 { SoFar::MayBeDone } else { so_far };
    match (wants, so_far) {
        (Wants::SameId, _) => (Next::Again(Place::Same), so_far),
        (Wants::Elsewhere, _) => (Next::Again(Place::Next), so_far),
        (Wants::Never, SoFar::NotDone) => (Next::Refused, so_far),
        (Wants::Never, SoFar::MayBeDone) => (Next::NotKnown(Left::AskLater), so_far),
    }
}

/// An answer of something that stands before the service, or is none.
const fn plain(status: u16, so_far: SoFar) -> (Next, SoFar) {
    match (status, so_far) {
        // It did not wait for the request, or does not take so many.
        (408 | 425 | 429, _) => (Next::Again(Place::Same), so_far),
        (400..=499, SoFar::NotDone) => (Next::Refused, so_far),
        (400..=499, SoFar::MayBeDone) => (Next::NotKnown(Left::AskLater), so_far),
        // It may have been passed on and lost behind.
        (_, _) => (Next::Again(Place::Next), SoFar::MayBeDone),
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
