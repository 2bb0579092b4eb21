//! Puts what was imported together, as a package that can be written.

use std::collections::BTreeMap;

use crate::archive::{Content, Draft};
use crate::import::{Effect, Imported, Seen};
use crate::interface;
use crate::manifest::{
    Data, Effects as Acts, FORMAT, File, Form, Manifest, Module, Order, PartPath, Program, Quotas,
    Service,
};
use crate::refused::{Named, Refused};

/// What becomes a package.
#[derive(Clone, Debug)]
pub struct Assembly<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Its COBOL modules.
    pub modules: &'a [Imported],
    /// Its services.
    pub services: &'a [Answered<'a>],
    /// What is loaded when its files are made.
    pub data: &'a [Loaded<'a>],
    /// The statements that make its tables, where it has any.
    pub tables: Option<Content>,
}

/// A service and what answers it.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    /// What callers call it.
    pub name: &'a str,
    /// What answers it.
    pub by: By<'a>,
    /// Where it acts.
    pub effects: Acts,
    /// Whether its calls are kept in order.
    pub order: Order,
    /// How much it may use.
    pub quotas: Quotas,
}

/// What answers a service.
#[derive(Clone, Debug)]
pub enum By<'a> {
    /// A COBOL module.
    Cobol {
        /// Its entry.
        entry: &'a str,
        /// Its interface, as it was edited.
        interface: &'a str,
    },
    /// A shared library.
    Library(Native<'a>),
    /// A command.
    Command(Native<'a>),
}

/// A program that no source of ours describes.
#[derive(Clone, Debug)]
pub struct Native<'a> {
    /// The program.
    pub content: Content,
    /// Its interface, written by hand. Without one bodies are handed over as they are.
    pub interface: Option<&'a str>,
}

/// Data of a file.
#[derive(Clone, Debug)]
pub struct Loaded<'a> {
    /// The file, by its name in the store.
    pub file: &'a str,
    /// How its records stand there.
    pub form: Form,
    /// The records.
    pub content: Content,
}

impl Assembly<'_> {
    /// The package. What it says of itself is checked when it is written.
    ///
    /// # Errors
    /// A name that cannot be part of a path, an interface that does not fit its source, a file that
    /// two modules declare otherwise.
    pub fn draft(&self) -> Result<Draft, Refused> {
        let mut contents = BTreeMap::new();
        for imported in self.modules {
            let Module { object, source, .. } = &imported.module;
            contents.insert(object.clone(), Content::Bytes(imported.object.clone()));
            contents.insert(source.clone(), Content::Bytes(imported.source.clone()));
        }
        let mut services = Vec::new();
        for answered in self.services {
            services.push(self.service(answered, &mut contents)?);
        }
        let mut data = Vec::new();
        for loaded in self.data {
            let part = path("data", loaded.file, "", Named::File)?;
            contents.insert(part.clone(), loaded.content.clone());
            data.push(Data { file: loaded.file.to_owned(), part, form: loaded.form });
        }
        let tables = self.tables.as_ref().map(|content| {
            let part = path("tables", self.name, ".sql", Named::Package)?;
            contents.insert(part.clone(), content.clone());
            Ok(part)
        });
        let manifest = Manifest {
            format: FORMAT,
            name: self.name.to_owned(),
            tables: tables.transpose()?,
            modules: self.modules.iter().map(|imported| self.with_needs(imported)).collect(),
            services,
            files: self.files()?,
            data,
            parts: Vec::new(),
        };
        Ok(Draft { manifest, contents })
    }

    fn service(
        &self,
        answered: &Answered<'_>,
        contents: &mut BTreeMap<PartPath, Content>,
    ) -> Result<Service, Refused> {
        let name = answered.name;
        let (program, interface) = match &answered.by {
            By::Cobol { entry, interface } => {
                let part = path("interfaces", name, ".toml", Named::Service)?;
                self.fits(name, entry, interface)?;
                let bytes = interface.as_bytes().to_vec();
                contents.insert(part.clone(), Content::Bytes(bytes));
                (Program::Cobol((*entry).to_owned()), Some(part))
            }
            By::Library(native) => {
                let part = path("libraries", name, ".so", Named::Service)?;
                contents.insert(part.clone(), native.content.clone());
                (Program::Library(part), by_hand(name, native, contents)?)
            }
            By::Command(native) => {
                let part = path("commands", name, "", Named::Service)?;
                contents.insert(part.clone(), native.content.clone());
                (Program::Command(part), by_hand(name, native, contents)?)
            }
        };
        let Answered { effects, order, quotas, .. } = *answered;
        let (name, resolve) = (name.to_owned(), None);
        Ok(Service { name, program, interface, effects, order, resolve, quotas })
    }

    fn fits(&self, service: &str, entry: &str, interface: &str) -> Result<(), Refused> {
        let module = self.modules.iter().find(|imported| imported.module.entry == entry);
        let Some(module) = module else {
            let (by, name) = (service.to_owned(), entry.to_owned());
            return Err(Refused::NoSuch { by, name });
        };
        let unfit = |why| Refused::Interface { service: service.to_owned(), why: Box::new(why) };
        interface::read(interface, entry, &module.interface).map(|_| ()).map_err(unfit)
    }

    /// A module that needs all that it and what it calls need. One that calls by an item may call
    /// every other.
    fn with_needs(&self, imported: &Imported) -> Module {
        let mut reached: Vec<&Imported> = vec![imported];
        let mut at = 0;
        while let Some(caller) = reached.get(at).copied() {
            at += 1;
            let by_item = |seen: &Seen| matches!(seen.what, Effect::CallsByItem { .. });
            let any = caller.effects.iter().any(by_item);
            for other in self.modules {
                let known = reached.iter().any(|one| one.module.entry == other.module.entry);
                if !known && (any || caller.calls.contains(&other.module.entry)) {
                    reached.push(other);
                }
            }
        }
        let mut needs: Vec<String> =
            reached.iter().flat_map(|one| one.module.needs.clone()).collect();
        needs.sort_unstable();
        needs.dedup();
        Module { needs, ..imported.module.clone() }
    }

    /// The files of all modules, each once.
    fn files(&self) -> Result<Vec<File>, Refused> {
        let mut out: Vec<File> = Vec::new();
        for file in self.modules.iter().flat_map(|imported| &imported.files) {
            match out.iter_mut().find(|other| other.name == file.name) {
                None => out.push(file.clone()),
                Some(same) if same.agrees(file) => {
                    same.shortest = same.shortest.min(file.shortest);
                }
                Some(_) => {
                    return Err(Refused::Name { what: Named::File, name: file.name.clone() });
                }
            }
        }
        out.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(out)
    }
}

/// Puts the interface of a native program into the package, if it has one.
fn by_hand(
    service: &str,
    native: &Native<'_>,
    contents: &mut BTreeMap<PartPath, Content>,
) -> Result<Option<PartPath>, Refused> {
    let Some(text) = native.interface else { return Ok(None) };
    let part = path("interfaces", service, ".toml", Named::Service)?;
    let unfit = |why| Refused::Interface { service: service.to_owned(), why: Box::new(why) };
    interface::own(text, service).map_err(unfit)?;
    contents.insert(part.clone(), Content::Bytes(text.as_bytes().to_vec()));
    Ok(Some(part))
}

fn path(folder: &str, name: &str, ending: &str, what: Named) -> Result<PartPath, Refused> {
    let path = PartPath::new(&format!("{folder}/{name}{ending}"));
    path.map_err(|_| Refused::Name { what, name: name.to_owned() })
}
