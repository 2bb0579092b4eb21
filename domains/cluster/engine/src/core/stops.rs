//! How long groups took to be let go of, against the stop budget that their lease counts on.

use std::collections::BTreeMap;

use tsugi_vocabulary::GroupName;

use crate::standing::SlowStop;

/// The slowest stop of each group that took longer than its budget.
///
/// The deadline of a lease lies a stop budget before its end (L3): a budget that is shorter than
/// the stop really takes is a promise that the fence has to keep.
#[derive(Debug, Default)]
pub(super) struct Stops(BTreeMap<GroupName, SlowStop>);

impl Stops {
    /// Takes a measured stop.
    pub(super) fn measured(&mut self, group: &GroupName, stop: SlowStop) {
        let slowest = self.0.get(group).is_none_or(|known| known.took < stop.took);
        if stop.took > stop.budget && slowest {
            self.0.insert(group.clone(), stop);
        }
    }

    /// Those that were too slow.
    pub(super) const fn too_slow(&self) -> &BTreeMap<GroupName, SlowStop> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use tsugi_vocabulary::Span;

    use super::*;

    fn stop(took: u64, budget: u64) -> SlowStop {
        SlowStop { took: Span::millis(took), budget: Span::millis(budget) }
    }

    #[test]
    fn the_slowest_stop_beyond_the_budget_is_kept_and_one_within_it_is_not() {
        let pay = GroupName::new("PAY").unwrap();
        let mut stops = Stops::default();
        stops.measured(&pay, stop(60, 60));
        assert!(stops.too_slow().is_empty());
        for took in [70, 90, 80] {
            stops.measured(&pay, stop(took, 60));
        }
        assert_eq!(stops.too_slow().get(&pay), Some(&stop(90, 60)));
    }
}
