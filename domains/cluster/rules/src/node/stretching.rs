//! The stretch of the record ends by itself, by an entry of the node that leads (CL-35).
//!
//! Every node knows by its own lease clock since when it stands, so that nothing that happens to
//! the wall clock makes it longer or shorter. One that was not there when it was ordered goes by
//! the wall, and by its own clock where the wall says that there is more time than was ordered.

use tsugi_vocabulary::{Moment, Span};

use super::Now;
use super::drills::{Orders, by_wall};
use super::machine::Node;
use crate::command::{self, Command, Issued};
use crate::plan::Situation;
use crate::record::{Draft, Record, Stretch};

/// Since when this node knows of the stretch in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretched(Option<Watched>);

#[derive(Clone, Debug)]
struct Watched {
    /// The command that ordered it.
    command: String,
    /// When it was ordered; none if that was before this node looked.
    began: Option<Moment>,
    seen: Moment,
}

impl Stretched {
    /// Looks at the record as it is applied.
    pub(super) fn look(&mut self, record: &Record, now: Moment, orders: Orders) {
        let Some(stretch) = record.stretched() else {
            self.0 = None;
            return;
        };
        let command = &stretch.order.command;
        if self.0.as_ref().is_none_or(|watched| watched.command != *command) {
            let began = orders.as_of(stretch.order.at, now);
            self.0 = Some(Watched { command: command.clone(), began, seen: now });
        }
    }

    /// For how long it still stands; none if there is none.
    fn rest(&self, stretch: &Stretch, now: Now) -> Option<Span> {
        let watched = self.0.as_ref()?;
        let stood = match watched.began {
            Some(began) => now.lease.since(began),
            None => by_wall(now, stretch.order.at).max(now.lease.since(watched.seen)),
        };
        Some(stretch.within.saturating_sub(stood))
    }

    /// When the stretch ends, if nothing happens until then.
    pub(super) fn next_bound(&self, record: &Record, now: Now) -> Option<Moment> {
        let rest = self.rest(record.stretched()?, now)?;
        (rest > Span::ZERO).then(|| now.lease + rest)
    }
}

impl Node {
    /// The end of a stretch whose time is over.
    pub(super) fn stretch_due(&self, now: Now, situation: &Situation<'_>) -> Option<Draft> {
        let stretch = situation.record.stretched()?;
        if self.stretch.rest(stretch, now)? > Span::ZERO {
            return None;
        }
        // No person has typed it.
        let end = (Command::StretchEnd, "stretch: ends by itself".to_owned());
        let issued = Issued::by_itself(situation, end, (&stretch.order, "end"));
        command::decide(situation, &issued).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tsugi_vocabulary::Wall;

    use super::*;
    use crate::record::Order;

    const WITHIN: Span = Span::secs(600);
    const ORDERED: Wall = Wall(5_000_000);

    fn record() -> Record {
        let order = Order {
            by: "mika".to_owned(),
            reason: String::new(),
            at: ORDERED,
            command: "c-1".to_owned(),
        };
        let stretch = Stretch { ratio: 3, order, within: WITHIN, over: None };
        Record { stretch: Some(Arc::new(stretch)), ..Record::default() }
    }

    fn at(seconds: u64) -> Moment {
        Moment(0) + Span::secs(seconds)
    }

    fn rest(stretched: &Stretched, lease: Moment, wall: Wall) -> Span {
        let record = record();
        let stretch = record.stretched().unwrap();
        stretched.rest(stretch, Now { lease, wall }).unwrap()
    }

    #[test]
    fn who_was_there_goes_by_the_clock_that_nobody_steps() {
        let mut stretched = Stretched::default();
        stretched.look(&record(), at(100), Orders::Given(ORDERED));
        for wall in [Wall(0), ORDERED, Wall(u64::MAX)] {
            assert_eq!(rest(&stretched, at(400), wall), Span::secs(300), "at {wall:?}");
        }
        // What else is applied meanwhile does not make it begin anew.
        stretched.look(&record(), at(500), Orders::Given(Wall(9_000_000)));
        assert_eq!(rest(&stretched, at(700), ORDERED), Span::ZERO);
    }

    #[test]
    fn who_was_not_there_goes_by_the_wall_and_at_most_by_its_own_time() {
        let mut stretched = Stretched::default();
        stretched.look(&record(), at(100), Orders::Found);
        let after = |seconds: u64| Wall(ORDERED.0 + seconds * 1_000);
        assert_eq!(rest(&stretched, at(100), after(500)), Span::secs(100));
        assert_eq!(rest(&stretched, at(100), after(601)), Span::ZERO);
        assert_eq!(rest(&stretched, at(600), Wall(0)), Span::secs(100), "a clock set back");
    }
}
