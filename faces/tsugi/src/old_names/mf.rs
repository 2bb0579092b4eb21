//! Micro Focus Enterprise Server: `casstart`, `casstop`, `mdump`, `imtkmake`, `mfdepinst` (the
//! verification report's scripts; `casstart` and `casstop` as their manual has them). Options begin
//! with `/` or `-`, and a region is a group here.

use std::path::Path;

use super::{Misuse, Now, Starting, Stopping};

/// Why the command was given, as the audit keeps it.
fn reason(name: &str, region: &str) -> [String; 2] {
    ["--reason".to_owned(), format!("{name} /r{region}")]
}

/// An option without its sign, in small letters where it has no value.
fn option(word: &str) -> Option<&str> {
    word.strip_prefix(['/', '-']).filter(|rest| !rest.is_empty())
}

/// The value of an option that stands right behind its letter or is the next word.
fn value(
    rest: &str,
    words: &mut std::slice::Iter<'_, String>,
    what: &'static str,
) -> Result<String, Misuse> {
    match rest {
        "" => words.next().cloned().ok_or(Misuse::Missing(what)),
        rest => Ok(rest.to_owned()),
    }
}

/// `casstart /rNAME [/w[SECONDS]] [/s:c|/s:w] [/m HOST:PORT]`. Without `/w` it does not wait, and
/// says so.
pub(super) fn start(words: &[String]) -> Result<Now, Misuse> {
    let (mut region, mut wait, mut how, mut at) = (None, None, Starting::AsUsual, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let asked = option(word).ok_or_else(|| Misuse::Word(word.clone()))?;
        let small = asked.to_ascii_lowercase();
        let seconds = small.strip_prefix('w').map(|rest| rest.trim_start_matches(':'));
        match (small.as_str(), seconds) {
            ("s:c", _) => how = Starting::Cold,
            ("s:w", _) => how = Starting::Warm,
            (_, Some("")) => wait = Some("15".to_owned()),
            (_, Some(given)) if given.bytes().all(|byte| byte.is_ascii_digit()) => {
                wait = Some(given.to_owned());
            }
            _ if small.starts_with('r') => {
                region = Some(value(&asked[1..], &mut words, "/r NAME")?);
            }
            _ if small.starts_with('m') => at = Some(directory(asked, &mut words)?),
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let region = region.ok_or(Misuse::Missing("/r NAME"))?;
    let [_, reason] = reason("casstart", &region);
    Ok(Now::Start { region, how, wait, reason, at })
}

/// `/m HOST:PORT`, `/mHOST:PORT`, `/m:HOST:PORT`: the directory that has to know the region.
fn directory(asked: &str, words: &mut std::slice::Iter<'_, String>) -> Result<String, Misuse> {
    let rest = asked[1..].trim_start_matches(':');
    value(rest, words, "/m HOST:PORT")
}

/// `casstop /rNAME [/f] [/w] [/m HOST:PORT]`: this region alone. Without `/w` and `/f` it does not
/// wait, and says so; with `/w` it is forced after 60 seconds, with `/f` at once.
pub(super) fn stop(words: &[String]) -> Result<Now, Misuse> {
    let (mut region, mut how, mut at) = (None, Stopping::Ordered, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let asked = option(word).ok_or_else(|| Misuse::Word(word.clone()))?;
        match asked.to_ascii_lowercase().as_str() {
            "f" | "force" => how = Stopping::Forced,
            "w" if how == Stopping::Ordered => how = Stopping::Waited,
            "w" => {}
            small if small.starts_with('r') => {
                region = Some(value(&asked[1..], &mut words, "/r NAME")?);
            }
            small if small.starts_with('m') => at = Some(directory(asked, &mut words)?),
            _ => return Err(Misuse::Word(word.clone())),
        }
    }
    let region = region.ok_or(Misuse::Missing("/r NAME"))?;
    let [_, reason] = reason("casstop", &region);
    Ok(Now::Stop { region, how, reason, at })
}

/// `mdump [HOST[:PORT]] [REGION]`: the names of the regions that a directory has, or one of them.
pub(super) fn dump(words: &[String]) -> Result<Now, Misuse> {
    if let Some(other) = words.iter().find(|word| option(word).is_some()) {
        return Err(Misuse::Word(other.clone()));
    }
    match words {
        [] => Ok(Now::Dump { host: "localhost".to_owned(), region: None }),
        [host] => Ok(Now::Dump { host: host.clone(), region: None }),
        [host, region] => Ok(Now::Dump { host: host.clone(), region: Some(region.clone()) }),
        [.., other] => Err(Misuse::Word(other.clone())),
    }
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

/// Whether a host that a script names is the machine itself: by name, as `uname -n` tells it, too.
pub fn is_this_machine(host: &str) -> bool {
    let own = || nix::unistd::gethostname().is_ok_and(|own| own == *host);
    ["localhost", "127.0.0.1", "::1"].contains(&host) || own()
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
