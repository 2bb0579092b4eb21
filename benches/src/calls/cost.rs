//! What a call costs, whoever pays for it: time of processors and switches of each process and
//! thread. On a machine that others use, this says more than how many there were a second.

use std::collections::BTreeMap;
use std::fs;
use std::process::id;

/// What threads have used until now, by the name of what they belong to.
#[derive(Debug, Default)]
pub struct Used(BTreeMap<String, Each>);

/// Of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Each {
    nanos: f64,
    switches: f64,
}

impl Used {
    /// Of this process as the client, of the engine by its threads, and of what it has started.
    pub fn now(engine: u32) -> Self {
        let mut used = Self::default();
        used.take(id(), |_| "client".to_owned());
        used.take(engine, |thread| match thread {
            door if door.starts_with("door") => "door".to_owned(),
            "calls" => "core".to_owned(),
            other => other.to_owned(),
        });
        for worker in started_by(engine) {
            used.take(worker, |_| "workers".to_owned());
        }
        used
    }

    fn take(&mut self, process: u32, name: impl Fn(&str) -> String) {
        // One that ends meanwhile has no files any more.
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return };
        for thread in threads.flatten() {
            let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let each = self.0.entry(name(read("comm").trim())).or_default();
            each.nanos += nanos(&read("schedstat"));
            each.switches += switches(&read("status"));
        }
    }

    /// What each has used since `before`, for each of so many calls; the costliest first.
    pub fn since(&self, before: &Self, calls: usize) -> Vec<Line> {
        let calls = calls.max(1) as f64;
        let lines = self.0.iter().map(|(name, each)| {
            let before = before.0.get(name).copied().unwrap_or_default();
            Line {
                name: name.clone(),
                cpu_us: (each.nanos - before.nanos) / calls / 1e3,
                switches: (each.switches - before.switches) / calls,
            }
        });
        let mut lines: Vec<_> = lines.filter(|line| line.cpu_us >= 0.05).collect();
        lines.sort_by(|a, b| b.cpu_us.total_cmp(&a.cpu_us));
        lines
    }
}

/// What one has used for each call.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    pub cpu_us: f64,
    pub switches: f64,
}

/// All of it together, in microseconds of processors.
pub fn whole(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.cpu_us).sum()
}

/// Says what a call of this measurement costs whom.
pub fn tell(name: &str, lines: &[Line]) {
    let each = lines
        .iter()
        .map(|line| format!("{} {:.1} us ({:.2} switches)", line.name, line.cpu_us, line.switches));
    println!("{name}: {}", each.collect::<Vec<_>>().join(", "));
}

/// The first number of *schedstat* is how long it has run, in nanoseconds.
fn nanos(schedstat: &str) -> f64 {
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0)
}

fn switches(status: &str) -> f64 {
    let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
    counts.filter_map(|(_, count)| count.trim().parse::<f64>().ok()).sum()
}

/// The processes that this one, or one of those, has started.
fn started_by(parent: u32) -> Vec<u32> {
    let lists = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = lists.map(|task| fs::read_to_string(task.path().join("children")));
    let children: Vec<u32> = lists
        .flat_map(|list| {
            let list = list.unwrap_or_default();
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    children.iter().flat_map(|child| [vec![*child], started_by(*child)].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_used_is_told_by_its_threads() {
        assert_eq!(nanos("1200 7 3\n"), 1200.0);
        let status = "voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(switches(status), 7.0);
        let before = Used::now(id());
        let mut sum = 0_u64;
        for n in 0..50_000_000_u64 {
            sum = sum.wrapping_add(std::hint::black_box(n));
        }
        let lines = Used::now(id()).since(&before, 10);
        let client = lines.iter().find(|line| line.name == "client").expect("it is this process");
        assert!(client.cpu_us > 1.0, "{lines:?} {sum}");
    }
}
