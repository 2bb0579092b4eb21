//! The drill beside a running group that this node is to show on a copy.

use std::sync::Arc;

use super::Order;
use super::machine::Node;
use crate::drill::rehearsal::{self, Showed};
use crate::record::Record;
use tsugi_vocabulary::GroupName;

/// What this life of the node is showing, or has shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Rehearsals {
    begun: Option<Begun>,
}

#[derive(Clone, Debug)]
struct Begun {
    command: String,
    group: GroupName,
    /// What it came to, once it has.
    showed: Option<Showed>,
}

impl Node {
    /// Begins what this life is to show, once, and ends it as soon as anything else goes first:
    /// nothing waits for that.
    pub(super) fn tend_rehearsal(&mut self, record: &Record, out: &mut Vec<Order>) {
        let due = rehearsal::on(record, &self.me).filter(|(group, rehearsal)| {
            rehearsal.on_boot == self.boot && !rehearsal.is_disturbed(record, group)
        });
        let same = |begun: &Begun| due.is_some_and(|(_, due)| due.order.command == begun.command);
        match (&self.rehearsals.begun, due) {
            (Some(begun), _) if same(begun) => {}
            (Some(begun), _) => {
                if begun.showed.is_none() {
                    out.push(Order::EndRehearsal);
                }
                self.rehearsals.begun = None;
            }
            (None, Some((group, due))) => {
                let spec = record.spec().and_then(|spec| spec.groups.get(group));
                let Some(spec) = spec.cloned().map(Arc::new) else { return };
                let (command, group) = (due.order.command.clone(), group.clone());
                let (depth, limit) = (due.depth, due.limit);
                let (of, id) = (group.clone(), command.clone());
                // A program that keeps an epoch beside its data takes no older one.
                let epoch = due.epoch.next(record.incarnation);
                out.push(Order::Rehearse { command: id, group: of, depth, epoch, limit, spec });
                self.rehearsals.begun = Some(Begun { command, group, showed: None });
            }
            (None, None) => {}
        }
    }

    /// What it came to.
    pub(super) fn on_rehearsed(&mut self, command: &str, showed: Showed) {
        let begun = self.rehearsals.begun.as_mut().filter(|begun| begun.command == command);
        if let Some(begun) = begun {
            begun.showed = Some(showed);
        }
    }

    /// What is to be written down of it.
    pub(super) fn shown(&self) -> Option<(&GroupName, &str, &Showed)> {
        let begun = self.rehearsals.begun.as_ref()?;
        Some((&begun.group, &begun.command, begun.showed.as_ref()?))
    }
}
