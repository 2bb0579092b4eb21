//! CLUSTERPRO Ver5.0 to Ver7.0: `ARMLOAD`, `ARMKILL`, `ARMLOADC` in scripts (command reference, and
//! the guide's samples).
//!
//! Options stand before or after the name of the program, in any order and any letter case; what
//! follows the program belongs to it as soon as it is no option. The manuals that are at hand state
//! no exit codes: these end as `tsugi proc` does.

use std::ops::RangeInclusive;

use super::{Misuse, Now};

/// What `ARMLOAD` is told beside the id and the program.
#[derive(Default)]
struct Options {
    monitor: Option<String>,
    failover: Option<String>,
    retry: Option<(String, String)>,
    hours: Option<String>,
    wait: Option<String>,
    interval: Option<String>,
    scripts: Option<String>,
    user: Option<String>,
    service: Option<String>,
}

/// `ARMLOAD ID [/M [/FOV] | /R n [/H h] [/SCR] [/WAIT t] [/INT t]] [/U USER] PROGRAM [ARGUMENT …]`,
/// or with `/S` the name of a service of the group, as its configuration has it.
pub(super) fn load(words: &[String]) -> Result<Now, Misuse> {
    let (mut id, mut program) = (None, Vec::new());
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = |words: &mut std::slice::Iter<'_, String>, what| {
            words.next().cloned().ok_or(Misuse::Missing(what))
        };
        match word.to_ascii_uppercase().as_str() {
            "/M" => options.monitor = Some(word.clone()),
            "/FOV" => options.failover = Some(word.clone()),
            "/R" => options.retry = Some((word.clone(), value(&mut words, "/R n")?)),
            "/H" => options.hours = Some(value(&mut words, "/H hour")?),
            "/WAIT" => options.wait = Some(value(&mut words, "/WAIT seconds")?),
            "/INT" => options.interval = Some(value(&mut words, "/INT seconds")?),
            "/U" => options.user = Some(value(&mut words, "/U user")?),
            // Nothing waits for the program here, and a window there is none.
            "/A" | "/W" => {}
            "/SCR" => options.scripts = Some(word.clone()),
            "/S" => options.service = Some(word.clone()),
            _ if id.is_none() => id = Some(word.clone()),
            _ => program.push(word.clone()),
        }
    }
    let id = id.ok_or(Misuse::Missing("ID"))?;
    let service = options.service.is_some();
    if program.is_empty() {
        return Err(Misuse::Missing(if service { "SERVICE" } else { "PROGRAM" }));
    }
    let mut now = vec!["proc".to_owned(), "load".to_owned(), id];
    now.extend(options.words()?);
    if service {
        // A service has no arguments: what it is run with is configured.
        if let Some(more) = program.get(1) {
            return Err(Misuse::Word(more.clone()));
        }
        now.extend(
            program
                .first()
                .into_iter()
                .flat_map(|name| ["--service".to_owned(), unquoted(name).to_owned()]),
        );
        return Ok(Now::Command(now));
    }
    now.push("--".to_owned());
    now.extend(program);
    Ok(Now::Command(now))
}

impl Options {
    fn words(self) -> Result<Vec<String>, Misuse> {
        let Some((retry, times)) = self.retry else {
            let of_retry = [&self.hours, &self.scripts, &self.wait, &self.interval];
            if of_retry.iter().any(|given| given.is_some()) {
                return Err(Misuse::Missing("/R n"));
            }
            let at_end = match (self.monitor, self.failover) {
                (_, Some(_)) => Some("--failover"),
                (Some(_), None) => Some("--fail"),
                (None, None) => None,
            };
            let mut words: Vec<String> = at_end.into_iter().map(str::to_owned).collect();
            words.extend(named("--user", self.user));
            return Ok(words);
        };
        if let Some(other) = self.monitor.or(self.failover) {
            return Err(Misuse::Both(other, retry));
        }
        let mut words = vec!["--restart".to_owned(), number("/R", &times, 1..=9)?.to_string()];
        let hours = self.hours.map(|h| number("/H", &h, 1..=24)).transpose()?;
        words.extend(named("--within", hours.map(|h| format!("{h}h"))));
        words.extend(named("--delay", seconds("/WAIT", self.wait)?));
        words.extend(named("--interval", seconds("/INT", self.interval)?));
        words.extend(self.scripts.map(|_| "--rerun-scripts".to_owned()));
        words.extend(named("--user", self.user));
        Ok(words)
    }
}

/// `ARMKILL ID [/T n]`: the watch ends first, then the program; after n seconds it is killed.
pub(super) fn kill(words: &[String]) -> Result<Now, Misuse> {
    let (mut id, mut within) = (None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_str() {
            "/T" => within = Some(words.next().cloned().ok_or(Misuse::Missing("/T seconds"))?),
            _ if id.is_none() => id = Some(word.clone()),
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let mut now = vec!["proc".to_owned(), "kill".to_owned(), id.ok_or(Misuse::Missing("ID"))?];
    now.extend(named("--within", seconds("/T", within)?));
    Ok(Now::Command(now))
}

/// `ARMLOADC ID /W pause|continue`: the watch is suspended, or taken up again.
pub(super) fn suspend(words: &[String]) -> Result<Now, Misuse> {
    let (mut id, mut verb) = (None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_str() {
            "/W" => {
                let what = words.next().ok_or(Misuse::Missing("/W pause|continue"))?;
                verb = Some(match what.to_ascii_lowercase().as_str() {
                    "pause" => ("hold", "pause"),
                    "continue" => ("watch", "continue"),
                    _ => return Err(Misuse::Word(what.clone())),
                });
            }
            _ if id.is_none() => id = Some(word.clone()),
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let id = id.ok_or(Misuse::Missing("ID"))?;
    let (verb, old) = verb.ok_or(Misuse::Missing("/W pause|continue"))?;
    let reason = format!("ARMLOADC {id} /W {old}");
    let words = ["proc", verb, &id, "--reason", &reason];
    Ok(Now::Command(words.iter().map(|w| (*w).to_owned()).collect()))
}

/// A name without the quotation marks that a shell has left on it.
fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name)
}

fn named(option: &str, value: Option<String>) -> impl Iterator<Item = String> {
    value.map(|value| [option.to_owned(), value]).into_iter().flatten()
}

fn number(option: &'static str, text: &str, range: RangeInclusive<u32>) -> Result<u32, Misuse> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| Misuse::OutOfRange(option, text.to_owned(), range))
}

fn seconds(option: &'static str, text: Option<String>) -> Result<Option<String>, Misuse> {
    let seconds = |text: String| number(option, &text, 0..=86_400).map(|n| format!("{n}s"));
    text.map(seconds).transpose()
}
