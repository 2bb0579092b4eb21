//! The failure test of the record: made by the node that it names, carried on by the one that
//! leads (PH-17).

use tsugi_vocabulary::Moment;

use super::machine::Node;
use super::{Now, Order};
use crate::command::{self, Before, Command, Issued};
use crate::drill::failure::{Failure, FailureTest, State, Step, Verdict};
use crate::plan::Situation;
use crate::record::{Draft, Record};
use tsugi_vocabulary::Span;

impl Node {
    /// Makes what this life is to make fail, once.
    pub(super) fn make_failure(&mut self, record: &Record, out: &mut Vec<Order>) {
        let mine = |test: &&FailureTest| {
            test.node == self.me && test.boot == self.boot && test.state == State::Out
        };
        let Some(test) = record.failure_under_way().filter(mine) else { return };
        if self.made.as_ref() == Some(&test.order.command) {
            return;
        }
        self.made = Some(test.order.command.clone());
        match &test.failure {
            Failure::ProcessKill { group, resource } => {
                let (group, resource) = (group.clone(), resource.clone());
                out.push(Order::KillProcess { group, resource });
            }
            Failure::AgentKill { .. } => out.push(Order::KillAgent),
            // What the entry itself wants, the planner does.
            Failure::GroupStop { .. } | Failure::NodeDrain { .. } => {}
        }
    }

    /// The next entry of the failure test that is under way, if one is due.
    pub(super) fn failure_due(&self, situation: &Situation<'_>) -> Option<Draft> {
        let test = situation.record.failure_under_way()?;
        match test.next(situation) {
            Step::Wait => None,
            Step::TurnBack(verdict) => {
                let back = decided(situation, test, (Command::FailureTestBack { verdict }, "back"));
                // What keeps home from taking a group may pass by itself.
                let given_up = situation.at >= test.given_up_at();
                let stays = Command::FailureTestEnd { verdict: Verdict::Stayed };
                back.or_else(|| given_up.then(|| decided(situation, test, (stays, "end")))?)
            }
            Step::End(verdict) => {
                decided(situation, test, (Command::FailureTestEnd { verdict }, "end"))
            }
        }
    }
}

/// When the test is looked at again, if nothing happens until then.
pub(super) fn next_bound(record: &Record, now: Now) -> Option<Moment> {
    let wall = record.failure_under_way()?.next_bound(now.wall)?;
    Some(now.lease + Span::millis(wall.0.saturating_sub(now.wall.0)))
}

fn decided(
    situation: &Situation<'_>,
    test: &FailureTest,
    (command, word): (Command, &str),
) -> Option<Draft> {
    let issued = Issued {
        command,
        // No person has typed it.
        words: format!("failure test {}: {word} by itself", test.failure.word()),
        person: test.order.by.clone(),
        origin: situation.by.to_string(),
        command_id: format!("{}-{word}", test.order.command),
        decided_on: situation.record.generation(),
        reason: test.order.reason.clone(),
        at: situation.at,
        before: Before::New,
    };
    command::decide(situation, &issued).ok()
}
