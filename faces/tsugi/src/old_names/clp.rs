//! CLUSTERPRO X, EXPRESSCLUSTER: `clpgrp`, `clpstat`, `clpcl`, `clpmonctrl`,
//! `clptoratio` (reference guide, command chapters).

use super::{Misuse, Now, Turn};

/// What `clpgrp` is asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Move,
    Name,
}

/// `clpgrp -s|-t|-m|-n GROUP [-h NODE] [-a NODE]`: it ends with 0 only when the group has reached
/// what was asked (CL-23). `-a` names where to move; so does `-h` where there is no `-a`.
pub(super) fn group(words: &[String]) -> Result<Now, Misuse> {
    let (mut verb, mut group, mut host, mut to) = (None, None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let asked = match word.as_str() {
            "-s" => Verb::Start,
            "-t" => Verb::Stop,
            "-m" => Verb::Move,
            "-n" => Verb::Name,
            "-h" => {
                host = Some(words.next().ok_or(Misuse::Missing("-h NODE"))?.clone());
                continue;
            }
            "-a" => {
                to = Some(words.next().ok_or(Misuse::Missing("-a NODE"))?.clone());
                continue;
            }
            // To force it is what is done anyway, and an answer is waited for anyway.
            "-f" => continue,
            name if !name.starts_with('-') && group.is_none() => {
                group = Some(name.to_owned());
                continue;
            }
            other => return Err(Misuse::Word(other.to_owned())),
        };
        if let Some((_, first)) = verb.replace((asked, word.clone())) {
            return Err(Misuse::Both(first, word.clone()));
        }
    }
    let (verb, _) = verb.ok_or(Misuse::Missing("-s|-t|-m|-n"))?;
    let group = group.ok_or(Misuse::Missing("GROUP"))?;
    if let (Some(_), true) = (&to, verb != Verb::Move) {
        return Err(Misuse::Word("-a".to_owned()));
    }
    Ok(match verb {
        Verb::Name => Now::OwnerOf(group),
        Verb::Start => {
            let on = host.into_iter().flat_map(|node| ["--on".to_owned(), node]);
            waited("clpgrp -s", "start", group, on)
        }
        Verb::Stop => waited("clpgrp -t", "stop", group, None),
        Verb::Move => waited("clpgrp -m", "move", group, to.or(host)),
    })
}

/// The command that ends when the group is where it was to be.
fn waited(old: &str, verb: &str, group: String, rest: impl IntoIterator<Item = String>) -> Now {
    let reason = format!("{old} {group}");
    let mut words = vec!["group".to_owned(), verb.to_owned(), group];
    words.extend(rest);
    words.extend(["--wait".to_owned(), "--reason".to_owned(), reason]);
    Now::Command(words)
}

/// `clpstat`: everything; `-g` the groups, `-n` the nodes, `-i` the configuration. `--json` is new:
/// the same for programs.
pub(super) fn status(words: &[String]) -> Result<Now, Misuse> {
    let (mut now, mut json): (Option<(&str, &[&str])>, _) = (None, None);
    for word in words {
        let meant: &[&str] = match word.as_str() {
            "-s" => &["status", "--long"],
            "-g" => &["group", "list"],
            "-n" => &["node", "list"],
            "-i" => &["config", "show"],
            // Of this node alone there is nothing else to show: every agent knows all.
            "--local" | "--long" => continue,
            "--json" => {
                json = Some("--json");
                continue;
            }
            other => return Err(Misuse::Word(other.to_owned())),
        };
        if let Some((first, _)) = now.replace((word, meant)) {
            return Err(Misuse::Both(first.to_owned(), word.clone()));
        }
    }
    let words = now.map_or(&["status", "--long"][..], |(_, words)| words).iter().copied();
    Ok(Now::Command(words.chain(json).map(str::to_owned).collect()))
}

/// `clpcl --suspend|--resume`: groups run on, and no failure moves one (CL-34). Starting and
/// stopping the cluster's own service is the system's business.
pub(super) fn cluster(words: &[String]) -> Result<Now, Misuse> {
    let mut now: Option<(&str, &str)> = None;
    for word in words {
        let meant = match word.as_str() {
            "--suspend" => "pause",
            "--resume" => "resume",
            "-s" => return Err(Misuse::Elsewhere("systemctl start tsugi")),
            "-t" => return Err(Misuse::Elsewhere("systemctl stop tsugi")),
            "-d" => return Err(Misuse::Elsewhere("shutdown")),
            "-r" => return Err(Misuse::Elsewhere("reboot")),
            other => return Err(Misuse::Word(other.to_owned())),
        };
        if let Some((first, _)) = now.replace((word, meant)) {
            return Err(Misuse::Both(first.to_owned(), word.clone()));
        }
    }
    let (old, verb) = now.ok_or(Misuse::Missing("--suspend|--resume"))?;
    let reason = format!("clpcl {old}");
    let words = ["group", verb, "--all", "--reason", &reason];
    Ok(Now::Command(words.iter().map(|w| (*w).to_owned()).collect()))
}

/// `clpmonctrl -s|-r [-m MONITOR …]`: a monitor is suspended and taken up again, or all of them
/// (PH-14). It goes with its group, on whichever node that runs: which node it is asked of (`-h`)
/// is no matter, and nothing waits for it (`-w`). `-v` shows them all.
pub(super) fn monitors(words: &[String]) -> Result<Now, Misuse> {
    let (mut asked, mut names, mut named, mut host) = (None, Vec::new(), false, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let now = match word.as_str() {
            "-s" | "--suspend" => Some(Turn::Suspend),
            "-r" | "--resume" => Some(Turn::Resume),
            "-v" => None,
            "-c" => return Err(Misuse::Elsewhere("tsugi group clear")),
            "-e" | "-n" => return Err(Misuse::Elsewhere("tsugi drill")),
            "-m" => {
                named = true;
                names.push(words.next().ok_or(Misuse::Missing("-m MONITOR"))?.clone());
                continue;
            }
            "-h" => {
                words.next().ok_or(Misuse::Missing("-h NODE"))?;
                host = true;
                continue;
            }
            "-w" => {
                let given = words.next().ok_or(Misuse::Missing("-w SECONDS"))?;
                // Not read as one: `-w -m x` would take all of them.
                given.parse::<u32>().map_err(|_| Misuse::Word(given.clone()))?;
                continue;
            }
            name if named && !name.starts_with('-') => {
                names.push(name.to_owned());
                continue;
            }
            other => return Err(Misuse::Word(other.to_owned())),
        };
        if let Some((first, _)) = asked.replace((word, now)) {
            return Err(Misuse::Both(String::clone(first), word.clone()));
        }
    }
    if let Some(odd) = names.iter().find(|name| name.starts_with('-')) {
        return Err(Misuse::Word(odd.clone()));
    }
    // All monitors of one node were meant, and a monitor here is of a group, wherever that runs.
    if host && names.is_empty() {
        return Err(Misuse::Missing("-m MONITOR"));
    }
    match asked {
        Some((_, Some(turn))) => Ok(Now::Monitors(turn, names)),
        Some((_, None)) => Ok(Now::Command(["status", "--long"].map(str::to_owned).into())),
        None => Err(Misuse::Missing("-s|-r|-v")),
    }
}

/// `clptoratio -r RATIO -t TIME`: every time-out is longer for a while (CL-35); `-i` has them as
/// they were, `-s` shows them. A time without a unit is one of seconds.
pub(super) fn time_outs(words: &[String]) -> Result<Now, Misuse> {
    let (mut ratio, mut time, mut alone): (_, _, Option<&str>) = (None, None, None);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-r" => ratio = Some(rest.next().ok_or(Misuse::Missing("-r RATIO"))?.clone()),
            "-t" => time = Some(rest.next().ok_or(Misuse::Missing("-t TIME"))?.clone()),
            "-i" | "-s" => {
                if let Some(first) = alone.replace(word) {
                    return Err(Misuse::Both(first.to_owned(), word.clone()));
                }
            }
            other => return Err(Misuse::Word(other.to_owned())),
        }
    }
    let given = [ratio.as_ref().map(|_| "-r"), time.as_ref().map(|_| "-t")];
    if let (Some(alone), Some(other)) = (alone, given.into_iter().flatten().next()) {
        return Err(Misuse::Both(alone.to_owned(), other.to_owned()));
    }
    let words: Vec<String> = match alone {
        Some("-s") => vec!["status".to_owned()],
        Some(_) => ["stretch", "--end", "--reason", "clptoratio -i"].map(str::to_owned).into(),
        None => {
            let ratio = ratio.ok_or(Misuse::Missing("-r RATIO"))?;
            let time = time.ok_or(Misuse::Missing("-t TIME"))?;
            let bare = time.chars().all(|c| c.is_ascii_digit());
            let time = if bare { format!("{time}s") } else { time };
            let reason = format!("clptoratio -r {ratio}");
            let stretch = ["stretch".to_owned(), ratio, "--for".to_owned(), time];
            stretch.into_iter().chain(["--reason".to_owned(), reason]).collect()
        }
    };
    Ok(Now::Command(words))
}
