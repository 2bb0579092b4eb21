//! What a drill does next: one table of where it stands and how its group stands.

use tsugi_vocabulary::Span;

use super::{Back, Drill, Stand, State, Verdict};

/// What a drill does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// The group is up where it went: that is written down.
    Arrive,
    /// It is handed back.
    TurnBack(Back),
    /// It is to be handed back, and home cannot take it for the moment.
    AwaitHome,
    /// It is over.
    End(Verdict),
}

/// What bounds a drill, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For how long the group has been out of service on its way, or was, at most.
    pub gap: Span,
    /// Whether the window has ended.
    pub window: Bounded,
    /// Whether the node that it came from can take it back.
    pub home: Home,
}

/// Whether the node that it came from can take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// It can.
    Open,
    /// Not now, for something that passes by itself, and not for long yet.
    Awaited,
    /// It cannot.
    Closed,
}

/// Whether something still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// It does.
    Open,
    /// It does not any more.
    Closed,
}

/// The next step of a drill whose group stands so.
#[must_use]
pub fn next(drill: &Drill, stand: Stand, bounds: Bounds) -> Step {
    let beyond = |gap: Span| gap > drill.gap;
    let wanted = match (drill.state, stand) {
        (State::Ended { .. }, _) => Step::Wait,
        (_, Stand::Elsewhere | Stand::Taken) => Step::End(Verdict::Interrupted),
        (_, Stand::Failed) => Step::End(Verdict::Failed),

        (State::Going, Stand::Leaving) => Step::Wait,
        (State::Going, Stand::Rising) if beyond(bounds.gap) => Step::TurnBack(Back::StopLine),
        (State::Going, Stand::Rising) => Step::Wait,
        (State::Going, Stand::Up) => Step::Arrive,
        (State::Going | State::There, Stand::Restarted) => Step::TurnBack(Back::Failed),
        (State::Going, Stand::Dropped) => Step::End(Verdict::Interrupted),

        (State::There, Stand::Up) if drill.there.gap.is_some_and(beyond) => {
            Step::TurnBack(Back::StopLine)
        }
        (State::There, Stand::Up) if bounds.window == Bounded::Closed => {
            Step::TurnBack(Back::Window)
        }
        (State::There, Stand::Up) => Step::Wait,
        // It was up: what is started again has failed.
        (State::There, Stand::Rising) => Step::TurnBack(Back::Failed),
        (State::There, Stand::Leaving | Stand::Dropped) => Step::End(Verdict::Interrupted),

        (State::Returning { .. }, Stand::Leaving | Stand::Rising) => Step::Wait,
        (State::Returning { because }, Stand::Up) => Step::End(match because {
            // It was called back before it had come up at all.
            Back::Ordered if drill.there.took.is_none() => Verdict::Interrupted,
            Back::Window | Back::Ordered if beyond(bounds.gap) => Verdict::BeyondLine,
            Back::Window | Back::Ordered => Verdict::Proven,
            Back::StopLine => Verdict::BeyondLine,
            Back::Failed => Verdict::Failed,
        }),
        (State::Returning { .. }, Stand::Restarted) => Step::End(Verdict::Failed),
        (State::Returning { .. }, Stand::Dropped) => Step::End(Verdict::Stayed),
    };
    match (wanted, bounds.home, drill.state) {
        // Where it rises it may come up all the same, and it cannot come up anywhere else.
        (Step::TurnBack(Back::StopLine), Home::Awaited | Home::Closed, State::Going) => Step::Wait,
        (Step::TurnBack(_), Home::Awaited, _) => Step::AwaitHome,
        (Step::TurnBack(_), Home::Closed, _) => Step::End(Verdict::Stayed),
        (wanted, _, _) => wanted,
    }
}
