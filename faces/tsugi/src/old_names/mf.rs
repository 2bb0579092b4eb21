//! Micro Focus Enterprise Server: `casstart`, `casstop`, `imtkmake`, `mfdepinst` (the verification
//! report's scripts; `casstart` and `casstop` as their manual has them). Options begin with `/` or
//! `-`, and a region is a group here.

use std::path::Path;

use super::{Misuse, Now};

/// Why the command was given, as the audit keeps it.
fn reason(name: &str, region: &str) -> [String; 2] {
    ["--reason".to_owned(), format!("{name} /r{region}")]
}

/// An option without its sign, in small letters where it has no value.
fn option(word: &str) -> Option<&str> {
    word.strip_prefix(['/', '-']).filter(|rest| !rest.is_empty())
}

/// The value of an option that stands right behind its letter or is the next word.
fn value<'a>(
    rest: &'a str,
    words: &mut std::slice::Iter<'a, String>,
    what: &'static str,
) -> Result<String, Misuse> {
    match rest {
        "" => words.next().cloned().ok_or(Misuse::Missing(what)),
        rest => Ok(rest.to_owned()),
    }
}

/// `casstart /rNAME [/w[SECONDS]] [/s:c|/s:w]`. Without `/w` it does not wait, and says so.
pub(super) fn start(words: &[String]) -> Result<Now, Misuse> {
    let (mut region, mut wait, mut how) = (None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let asked = option(word).ok_or_else(|| Misuse::Word(word.clone()))?;
        let small = asked.to_ascii_lowercase();
        let seconds = small.strip_prefix('w').map(|rest| rest.trim_start_matches(':'));
        match (small.as_str(), seconds) {
            ("s:c", _) => how = Some("--fresh"),
            ("s:w", _) => how = Some("--inherit"),
            (_, Some("")) => wait = Some("15".to_owned()),
            (_, Some(given)) if given.bytes().all(|byte| byte.is_ascii_digit()) => {
                wait = Some(given.to_owned());
            }
            _ if small.starts_with('r') => {
                region = Some(value(&asked[1..], &mut words, "/r NAME")?);
            }
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let region = region.ok_or(Misuse::Missing("/r NAME"))?;
    let mut now = vec!["group".to_owned(), "start".to_owned(), region.clone()];
    now.extend(how.map(str::to_owned));
    now.extend(wait.map(|seconds| format!("--wait={seconds}s")));
    now.extend(reason("casstart", &region));
    Ok(Now::Command(now))
}

/// `casstop /rNAME [/f] [/w]`: this region alone. What does not end in its time is killed anyway.
pub(super) fn stop(words: &[String]) -> Result<Now, Misuse> {
    let (mut region, mut wait) = (None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let asked = option(word).ok_or_else(|| Misuse::Word(word.clone()))?;
        match asked.to_ascii_lowercase().as_str() {
            "f" | "force" => {}
            "w" => wait = Some("--wait".to_owned()),
            small if small.starts_with('r') => {
                region = Some(value(&asked[1..], &mut words, "/r NAME")?);
            }
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let region = region.ok_or(Misuse::Missing("/r NAME"))?;
    let mut now = vec!["group".to_owned(), "stop".to_owned(), region.clone()];
    now.extend(wait);
    now.extend(reason("casstop", &region));
    Ok(Now::Command(now))
}

/// `imtkmake -defmap src=FILE service=NAME [type=ejb]`: the mapping, every parameter `io`, and with
/// it a first package; `imtkmake -generate service=NAME [type=ejb]`: the package of the mapping as
/// it was edited.
pub(super) fn make(words: &[String]) -> Result<Now, Misuse> {
    let (mut verb, mut source, mut service) = (None, None, None);
    for word in words {
        let asked = option(word).unwrap_or(word).to_ascii_lowercase();
        let given = word.split_once('=').map(|(_, given)| given.to_owned());
        match asked.split('=').next().unwrap_or_default() {
            "defmap" | "generate" if given.is_none() => {
                if let Some(first) = verb.replace(asked) {
                    return Err(Misuse::Both(first, word.clone()));
                }
            }
            "src" => source = given,
            "service" => service = given,
            // What callers speak is the door's.
            "type" => {}
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let service = service.ok_or(Misuse::Missing("service=NAME"))?;
    match (verb.as_deref(), source) {
        (Some("defmap"), Some(source)) => Ok(Now::Command(import(&source, &service))),
        (Some("defmap"), None) => Err(Misuse::Missing("src=FILE")),
        (Some(_), Some(source)) => Ok(Now::Command(import(&source, &service))),
        (Some(_), None) => Ok(Now::Generate(service)),
        (None, _) => Err(Misuse::Missing("-defmap|-generate")),
    }
}

/// The new command for a source: its mapping and its package go by the name of the service.
pub fn import(source: &str, service: &str) -> Vec<String> {
    let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let entry = stem.unwrap_or_default().to_ascii_uppercase();
    let words = ["service", "import", source, "--name", service, "--entry", &entry];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    words.extend(["--interface".to_owned(), format!("{service}.toml")]);
    words.extend(["--out".to_owned(), format!("{service}.car")]);
    words
}

/// `mfdepinst PACKAGE`.
pub(super) fn deploy(words: &[String]) -> Result<Now, Misuse> {
    match words {
        [package] if option(package).is_none() || package.starts_with('/') => {
            Ok(Now::Install(package.clone()))
        }
        [] => Err(Misuse::Missing("PACKAGE")),
        [.., other] => Err(Misuse::Word(other.clone())),
    }
}

/// What `.mfdeploy` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Where {
    /// The directory server's host.
    pub host: Option<String>,
    /// The region.
    pub server: Option<String>,
}

/// Reads `.mfdeploy`: `MFDS=`, `MFUS_SERVER=`, `MFUS_LISTENER=`, a line each.
pub fn told(text: &str) -> Where {
    let mut out = Where::default();
    for line in text.lines().map(str::trim) {
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("MFDS", host)) if !host.is_empty() => out.host = Some(host.to_owned()),
            Some(("MFUS_SERVER", server)) if !server.is_empty() => {
                out.server = Some(server.to_owned());
            }
            _ => {}
        }
    }
    out
}
