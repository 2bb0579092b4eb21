//! A failure that the record names is made by the life that it names, once (PH-17).

use super::*;
use crate::drill::failure::{Failure, FailureTest, State as Stands};
use crate::record::Order as Ordered;

fn test_of(failure: Failure, boot: BootId) -> Write {
    let (by, reason) = ("mika".to_owned(), "acceptance".to_owned());
    let order = Ordered { by, reason, at: Wall(1_000), command: "c-1".to_owned() };
    let (groups, within) = (BTreeMap::new(), Span::secs(600));
    let node = name("a");
    let test = FailureTest { order, failure, node, boot, groups, within, state: Stands::Out };
    Write::FailureTest(Arc::new(test))
}

fn told(write: Write, times: u32) -> Vec<String> {
    let mut bench = Bench::running(record());
    bench.done.clear();
    for _ in 0..times {
        let draft = Draft::default().write(write.clone());
        bench.record.apply(&draft, Index(bench.record.applied.0 + 1));
        bench.tell(Event::Applied(Arc::new(bench.record.clone())));
        bench.pass(Span::millis(50));
    }
    bench.done.into_iter().filter(|done| done.starts_with("kill")).collect()
}

#[test]
fn ph_17_what_is_to_fail_fails_once_in_the_life_that_is_named_and_in_no_other() {
    let own = Bench::new(record()).node.boot;
    let kill = Failure::ProcessKill { group: pay(), resource: None };
    assert_eq!(told(test_of(kill.clone(), own), 3), [format!("kill {}", pay())]);
    let agent = Failure::AgentKill { node: name("a") };
    assert_eq!(told(test_of(agent.clone(), own), 3), ["kill the agent"]);
    let other = BootId(own.0 + 1);
    assert!(told(test_of(kill, other), 1).is_empty(), "a later life");
    assert!(told(test_of(agent, other), 1).is_empty());
    let stop = Failure::GroupStop { group: pay() };
    assert!(told(test_of(stop, own), 1).is_empty(), "that is the planner's");
}
