//! The files of a package: what its programs are told of them, and those that are made with it.

use tsugi_files::definition::Flaw;
use tsugi_files::open::Presence;
use tsugi_files::outside::Form as Stand;
use tsugi_package::Trouble as Unread;
use tsugi_package::deploy::Whole;
use tsugi_package::deployed::Deployed;
use tsugi_package::manifest::{File, Form, Manifest};
use tsugi_service_engine::files::moving::{self, Existing, Unmoved};
use tsugi_service_engine::files::{Declared, Files, TooLong, definition, fits};
use tsugi_service_rules::package::Data;
use tsugi_store::file::Files as Stored;
use tsugi_store::{Nested, Op, Trouble};

/// Why the files of a package were not made; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] Trouble),
    /// The store has a file of this name with another organization, longest record or keys: the
    /// programs of the package could not open it.
    #[error("file {0} of the store has another organization, record length or keys")]
    Differs(String),
    /// There can be no such file.
    #[error("file {0}: {1:?}")]
    Flaw(String, Flaw),
    /// The store can keep no such file.
    #[error("file {0}: {1}")]
    TooLong(String, TooLong),
    /// The data are not as they were packed, or cannot be read.
    #[error("data of file {0}: {1}")]
    Unread(String, Unread),
    /// They are no records of it.
    #[error("data of file {0}: {1}")]
    Unmoved(String, Unmoved),
    /// The statements that make tables are not as they were packed, or cannot be read.
    #[error("tables: {0}")]
    Tables(Unread),
    /// One of them is not taken; this is how it begins.
    #[error("tables: {0}: {1}")]
    Statement(String, Trouble),
}

/// So many characters of a statement are told.
const TOLD: usize = 60;

/// Makes the tables of a package, and the files that it has data for and the store has not, with
/// their records, in the commit that makes it current. A file that is there stays as it is; what a
/// statement does to a table that is there, it says itself.
///
/// # Errors
/// The commit is to be given up.
pub fn make(
    unit: &mut dyn Nested,
    whole: &Whole<'_>,
    (loads, at): (Data, i64),
) -> Result<(), NotMade> {
    for text in whole.tables().map_err(NotMade::Tables)? {
        let begins: String = text.chars().take(TOLD).collect();
        let made = unit.run(&[Op::Define { text }]);
        made.map_err(|why| NotMade::Statement(begins.replace('\n', " "), why))?;
    }
    for file in &whole.manifest.files {
        let name = || file.name.clone();
        let own = file.definition().map_err(|flaw| NotMade::Flaw(name(), flaw))?;
        fits(&own).map_err(|why| NotMade::TooLong(name(), why))?;
        if let Some(there) = Stored::of(&mut *unit).find(&file.name)? {
            let there = definition(&there).map_err(|flaw| NotMade::Flaw(name(), flaw))?;
            match Presence::of(&own, Some(&there)) {
                Presence::Fits | Presence::Missing => {}
                Presence::Differs => return Err(NotMade::Differs(name())),
            }
            limited(unit, file)?;
            continue;
        }
        let data = whole.manifest.data.iter().find(|data| data.file == file.name);
        let (Some(data), Data::OfNewFiles) = (data, loads) else { continue };
        let mut from = whole.data(data).map_err(|why| NotMade::Unread(name(), why))?;
        let form = match data.form {
            Form::Records => Stand::Fixed(file.longest),
            Form::Lines => Stand::Lines,
        };
        let new = (file.name.as_str(), Existing::Refused);
        let made = moving::make(&mut *unit, new, &own, (form, &mut from), at);
        let records = made.map_err(|why| NotMade::Unmoved(name(), why))?;
        if let (Some(most), Some(quota)) = (file.most, most(file))
            && records > most
        {
            let full = Unmoved::Full { record: most.saturating_add(1), most: quota };
            return Err(NotMade::Unmoved(name(), full));
        }
        limited(unit, file)?;
    }
    Ok(())
}

/// A file has the quota of the package that became current last. Those that have more records
/// keep them; nothing is added.
fn limited(unit: &mut dyn Nested, file: &File) -> Result<(), NotMade> {
    let mut files = Stored::of(unit);
    let most = most(file);
    match files.find(&file.name)? {
        Some(there) if there.most != most => Ok(files.limit(&there, most)?),
        Some(_) | None => Ok(()),
    }
}

fn most(file: &File) -> Option<i64> {
    file.most.map(|most| i64::try_from(most).unwrap_or(i64::MAX))
}

/// What the programs of a service may open: all files of its package, since one program may call
/// another. Those that a service cannot do without are looked for by the engine.
///
/// # Errors
/// The manifest has what can be no file.
pub fn declared(deployed: &Deployed, service: &str) -> Result<Files, String> {
    let Manifest { files, .. } = &deployed.manifest;
    let needs = deployed.needs(service);
    let one = |file: &File| {
        let definition = file.definition().map_err(|flaw| format!("{}: {flaw:?}", file.name))?;
        let declared = Declared::new(&file.name, definition).at_most(most(file));
        let needed = needs.contains(&file.name);
        Ok(if needed { declared } else { declared.made_by_programs() })
    };
    Ok(Files::new(files.iter().map(one).collect::<Result<Vec<_>, String>>()?))
}
