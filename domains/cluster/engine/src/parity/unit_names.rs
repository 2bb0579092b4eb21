//! The names that systemd knows a unit by: a link to the file of a unit under another name makes
//! that name an alias of it, and systemd shows and starts it by any of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tsugi_cluster_rules::unit::UnitName;

/// What the name of a template ends with.
const TEMPLATE: &str = "@.service";

/// A unit's own name, then those of its aliases and of what it is an alias of, by the `folders` of
/// units below the root `root`, of which the first that has a name wins.
pub(super) fn names<'f>(
    root: &Path,
    folders: impl Iterator<Item = &'f str>,
    unit: &UnitName,
) -> Vec<UnitName> {
    let named = |name: &str| spelled(name, unit)?.parse::<UnitName>().ok();
    let links = links(root, folders);
    let same: Vec<(UnitName, UnitName)> = links
        .iter()
        .filter_map(|(name, to)| Some((named(name)?, named(to.as_deref()?)?)))
        .collect();
    let mut names = vec![unit.clone()];
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        for (one, other) in &same {
            let further = match (one == &name, other == &name) {
                (true, _) => other,
                (false, true) => one,
                (false, false) => continue,
            };
            if !names.contains(further) {
                names.push(further.clone());
            }
        }
    }
    names
}

/// What is in the folders of units, and the name that it is a link to, if it is one.
fn links<'f>(
    root: &Path,
    folders: impl Iterator<Item = &'f str>,
) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(root.join(folder.trim_start_matches('/'))) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.entry(name).or_insert_with(|| {
                let to = fs::read_link(entry.path()).ok()?;
                Some(to.file_name()?.to_string_lossy().into_owned())
            });
        }
    }
    found
}

/// The name of a template with the instance of `unit` in it; any other name as it is.
fn spelled(name: &str, unit: &UnitName) -> Option<String> {
    let Some(front) = name.strip_suffix(TEMPLATE) else { return Some(name.to_owned()) };
    let (_, instance) = unit.as_str().split_once('@')?;
    Some(format!("{front}@{instance}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const FOLDERS: [&str; 2] = ["/etc/units", "/lib/units"];

    fn all(root: &Path, unit: &str) -> Vec<String> {
        let names = names(root, FOLDERS.into_iter(), &unit.parse().unwrap());
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_unit_is_known_by_its_aliases_and_by_what_it_is_an_alias_of() {
        let root = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            fs::create_dir_all(root.path().join(&folder[1..])).unwrap();
        }
        let file = |path: &str| fs::write(root.path().join(path), "").unwrap();
        let link = |to: &str, path: &str| symlink(to, root.path().join(path)).unwrap();
        file("lib/units/mariadb.service");
        file("lib/units/jobs@.service");
        link("/lib/units/mariadb.service", "etc/units/mysql.service");
        link("mysql.service", "etc/units/mysqld.service");
        link("jobs@.service", "lib/units/queue@.service");
        link("/dev/null", "etc/units/masked.service");
        // Another file of this name wins over the alias.
        file("etc/units/own.service");
        link("mariadb.service", "lib/units/own.service");
        let mut three = all(root.path(), "mysqld.service");
        assert_eq!(three[0], "mysqld.service");
        three.sort();
        assert_eq!(three, ["mariadb.service", "mysql.service", "mysqld.service"]);
        assert_eq!(all(root.path(), "mariadb.service").len(), 3);
        assert_eq!(all(root.path(), "queue@1.service"), ["queue@1.service", "jobs@1.service"]);
        assert_eq!(all(root.path(), "jobs@2.service"), ["jobs@2.service", "queue@2.service"]);
        for alone in ["own.service", "masked.service", "nowhere.service"] {
            assert_eq!(all(root.path(), alone), [alone]);
        }
    }
}
