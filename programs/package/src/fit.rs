//! Whether the parts of a package belong together: a module was compiled by us from the source that
//! is in the package, and an interface says what that source says.

use std::collections::BTreeMap;
use std::path::Path;

use tsugi_record::code_page::{CodePage, Wave};
use tsugi_record::source::{self, Form};

use crate::archive::{self, Examined};
use crate::interface::{self, Interface};
use crate::manifest::{Manifest, Part, PartPath, Program, Role, Service};
use crate::module::{LIBRARY_ENTRY, NoModule, Object};
use crate::refused::{Refused, Trouble};

/// Examines a package, and whether its parts belong together.
///
/// # Errors
/// The first thing that is not as it should be; or it cannot be read.
pub fn examine(path: &Path) -> Result<Examined, Trouble> {
    let mut fitting = Fitting::default();
    let examined = archive::examine(path, &mut |manifest, part, role, bytes| {
        fitting.look(manifest, part, role, bytes)
    })?;
    fitting.interfaces(&examined.manifest)?;
    Ok(examined)
}

/// Looks at one part after the other, and at what belongs together once all were there.
#[derive(Default)]
pub(crate) struct Fitting {
    /// Sources and interfaces.
    texts: BTreeMap<PartPath, String>,
}

impl Fitting {
    /// Looks at a part whose hash is right.
    pub fn look(
        &mut self,
        manifest: &Manifest,
        part: &Part,
        role: Role,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        match role {
            Role::Module => module(manifest, part, bytes),
            Role::Library => library(manifest, part, bytes),
            Role::Source | Role::Interface => self.keep(manifest, part, bytes),
            Role::Tables => tables(part, bytes),
            Role::Command | Role::Data => Ok(()),
        }
    }

    fn keep(&mut self, manifest: &Manifest, part: &Part, bytes: &[u8]) -> Result<(), Refused> {
        let module = manifest.modules.iter().find(|module| module.source == part.path);
        let page = module.map_or(CodePage::Utf8, |module| module.code_page);
        if let Ok(text) = page.decode(bytes, Wave::Microsoft) {
            self.texts.insert(part.path.clone(), text);
            return Ok(());
        }
        let by = manifest.uses().into_iter().find(|(path, ..)| **path == part.path);
        let (_, role, by) = by.ok_or_else(|| Refused::Use { path: part.path.to_string() })?;
        let by = by.to_owned();
        Err(if role == Role::Source {
            Refused::Source { entry: by, why: None }
        } else {
            Refused::Interface { service: by, why: Box::new(interface::Unfit::no_text()) }
        })
    }

    /// The interface of every service, in their order, compared with its source.
    pub fn interfaces(&self, manifest: &Manifest) -> Result<Vec<Option<Interface>>, Refused> {
        let mut sources: BTreeMap<&str, source::Interface> = BTreeMap::new();
        for module in &manifest.modules {
            let text = self.text(&module.source)?;
            let dialect = module.dialect.of_records();
            let read = source::read(text, Form::Free, dialect).map_err(|why| Refused::Source {
                entry: module.entry.clone(),
                why: Some(Box::new(why)),
            })?;
            sources.insert(&module.entry, read);
        }
        manifest.services.iter().map(|service| self.of_service(service, &sources)).collect()
    }

    fn of_service(
        &self,
        service: &Service,
        sources: &BTreeMap<&str, source::Interface>,
    ) -> Result<Option<Interface>, Refused> {
        let name = service.name.clone();
        match (&service.program, &service.interface) {
            (Program::Cobol(entry), Some(path)) => {
                let name = || name.clone();
                let source = sources
                    .get(entry.as_str())
                    .ok_or_else(|| Refused::NoSuch { by: name(), name: entry.clone() })?;
                let read = interface::read(self.text(path)?, entry, source);
                let unfit = |why| Refused::Interface { service: name(), why: Box::new(why) };
                Ok(Some(read.map_err(unfit)?))
            }
            (Program::Library(_) | Program::Command(_), None) => Ok(None),
            (Program::Library(_) | Program::Command(_), Some(path)) => {
                let service = service.name.clone();
                let unfit = |why| Refused::Interface { service, why: Box::new(why) };
                Ok(Some(interface::own(self.text(path)?, &name).map_err(unfit)?))
            }
            (Program::Cobol(_), None) => Err(Refused::WithInterface { service: name.clone() }),
        }
    }

    fn text(&self, path: &PartPath) -> Result<&str, Refused> {
        let text = self.texts.get(path).map(String::as_str);
        text.ok_or_else(|| Refused::NotThere { path: path.to_string() })
    }
}

fn module(manifest: &Manifest, part: &Part, bytes: &[u8]) -> Result<(), Refused> {
    for module in manifest.modules.iter().filter(|module| module.object == part.path) {
        let refused = |why| Refused::Module { entry: module.entry.clone(), why };
        let source = manifest
            .part(&module.source)
            .ok_or_else(|| Refused::NotThere { path: module.source.to_string() })?;
        let object = Object::read(bytes).map_err(refused)?;
        object.reaches_only_the_handler(&module.entry).map_err(refused)?;
        object.is_sealed(module, source.sha256).map_err(refused)?;
    }
    Ok(())
}

fn tables(part: &Part, bytes: &[u8]) -> Result<(), Refused> {
    let path = || part.path.to_string();
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::Tables { path: path() })?;
    // A statement that does not end would be none, and nobody would miss it.
    match crate::tables::statements(text) {
        Some(_) => Ok(()),
        None => Err(Refused::Tables { path: path() }),
    }
}

fn library(manifest: &Manifest, part: &Part, bytes: &[u8]) -> Result<(), Refused> {
    let uses = |service: &&Service| service.program == Program::Library(part.path.clone());
    for service in manifest.services.iter().filter(uses) {
        let refused = |why| Refused::Library { service: service.name.clone(), why };
        if !Object::read(bytes).map_err(refused)?.has(LIBRARY_ENTRY) {
            return Err(refused(NoModule::NoEntry { entry: LIBRARY_ENTRY.to_owned() }));
        }
    }
    Ok(())
}
