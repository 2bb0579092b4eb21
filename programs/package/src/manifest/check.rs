//! Whether a manifest agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use super::quotas::RECORDS_MOST;
use super::{Effects, Form, Manifest, Order, PartPath, Program, Role, Service};
use crate::limits::{
    DATA_MOST, NAMED_MOST, PACKAGE_MOST, PARTS_MOST, PROGRAM_MOST, PROGRAMS_MOST, TEXT_MOST,
};
use crate::refused::{Measure, Named, Refused};

/// The longest name of a package, a service, a module or a file, in bytes.
const NAME_MOST: usize = 60;

impl Manifest {
    /// Checks what it says; the archive is not needed for that.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        self.sizes()?;
        self.paths()?;
        self.names()?;
        self.parts_are_used()?;
        self.names_are_there()?;
        self.files_can_be()
    }

    fn sizes(&self) -> Result<(), Refused> {
        let over = |what, found: u64, most: u64| {
            if found > most { Err(Refused::TooLarge { what, found, most }) } else { Ok(()) }
        };
        over(Measure::Parts, count(self.parts.len()), count(PARTS_MOST))?;
        for named in [self.modules.len(), self.services.len(), self.files.len(), self.data.len()] {
            over(Measure::Named, count(named), count(NAMED_MOST))?;
        }
        let roles: BTreeMap<&PartPath, Role> =
            self.uses().into_iter().map(|(path, role, _)| (path, role)).collect();
        let mut programs: u64 = 0;
        for part in &self.parts {
            let role = roles.get(&part.path);
            let data = role == Some(&Role::Data);
            let most = match role {
                Some(Role::Data) => DATA_MOST,
                Some(Role::Source | Role::Interface | Role::Tables) => TEXT_MOST,
                Some(Role::Module | Role::Library | Role::Command) | None => PROGRAM_MOST,
            };
            over(Measure::Part, part.bytes, most)?;
            programs = programs.saturating_add(if data { 0 } else { part.bytes });
        }
        over(Measure::Programs, programs, PROGRAMS_MOST)?;
        let all = self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add);
        over(Measure::Package, all, PACKAGE_MOST)
    }

    fn paths(&self) -> Result<(), Refused> {
        for two in self.parts.windows(2) {
            let path = two[1].path.to_string();
            match two[0].path.cmp(&two[1].path) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(Refused::SamePath { path }),
                std::cmp::Ordering::Greater => return Err(Refused::Order { path }),
            }
        }
        let parts = || self.parts.iter().map(|part| &part.path);
        let own: BTreeSet<&str> = parts().map(PartPath::as_str).chain(super::OWN).collect();
        for path in parts() {
            if super::OWN.contains(&path.as_str()) {
                return Err(Refused::SamePath { path: path.to_string() });
            }
            if let Some(folder) = path.folders().find(|folder| own.contains(folder)) {
                return Err(Refused::PartAndFolder { path: folder.to_owned() });
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<(), Refused> {
        if self.services.is_empty() {
            return Err(Refused::NoService);
        }
        let modules = self.modules.iter().map(|module| (Named::Module, &module.entry));
        let services = self.services.iter().map(|service| (Named::Service, &service.name));
        let files = self.files.iter().map(|file| (Named::File, &file.name));
        let mut seen: Vec<(Named, &str)> = Vec::new();
        let data = self.data.iter().map(|data| (Named::Data, &data.file));
        let package = std::iter::once((Named::Package, &self.name));
        for (what, name) in package.chain(modules).chain(services).chain(files).chain(data) {
            if !is_name(name) || seen.contains(&(what, name)) {
                return Err(Refused::Name { what, name: name.clone() });
            }
            seen.push((what, name));
        }
        Ok(())
    }

    fn parts_are_used(&self) -> Result<(), Refused> {
        let mut roles: BTreeMap<&PartPath, Role> = BTreeMap::new();
        for (path, role, by) in self.uses() {
            if self.part(path).is_none() {
                let (by, path) = (by.to_owned(), path.to_string());
                return Err(Refused::NoSuchPart { by, path });
            }
            if roles.insert(path, role).is_some_and(|other| other != role) {
                return Err(Refused::Use { path: path.to_string() });
            }
        }
        match self.parts.iter().find(|part| !roles.contains_key(&part.path)) {
            Some(part) => Err(Refused::Use { path: part.path.to_string() }),
            None => Ok(()),
        }
    }

    fn names_are_there(&self) -> Result<(), Refused> {
        for service in &self.services {
            if let Some((quota, found)) = service.quotas.wrong() {
                let service = service.name.clone();
                return Err(Refused::Quota { service, quota: quota.to_owned(), found });
            }
            if (service.effects, service.order) == (Effects::Reads, Order::Told) {
                return Err(Refused::OrderOfReads { service: service.name.clone() });
            }
            self.resolver_can_be(service)?;
            if let Program::Cobol(entry) = &service.program
                && self.module(entry).is_none()
            {
                let (by, name) = (service.name.clone(), entry.clone());
                return Err(Refused::NoSuch { by, name });
            }
        }
        for module in &self.modules {
            let missing = |name: &&String| !self.files.iter().any(|file| file.name == **name);
            if let Some(name) = module.needs.iter().find(missing) {
                let (by, name) = (module.entry.clone(), name.clone());
                return Err(Refused::NoSuch { by, name });
            }
        }
        for data in &self.data {
            if !self.files.iter().any(|file| file.name == data.file) {
                let (by, name) = (data.part.to_string(), data.file.clone());
                return Err(Refused::NoSuch { by, name });
            }
        }
        Ok(())
    }

    /// Only what acts outside the store has unknown calls, and only what reads may be asked again
    /// and again. One of another package is looked at where both are known.
    fn resolver_can_be(&self, service: &Service) -> Result<(), Refused> {
        let Some(resolver) = &service.resolve else { return Ok(()) };
        let known = self.services.iter().find(|one| one.name == *resolver);
        let reads = known.is_none_or(|one| one.effects == Effects::Reads);
        if service.effects == Effects::Outside && reads && is_name(resolver) {
            return Ok(());
        }
        let (service, resolver) = (service.name.clone(), resolver.clone());
        Err(Refused::Resolver { service, resolver })
    }

    /// Each file is one that a store can have, and its data are records of it.
    fn files_can_be(&self) -> Result<(), Refused> {
        for file in &self.files {
            file.definition().map_err(|flaw| Refused::File {
                name: file.name.clone(),
                why: format!("{flaw:?}"),
            })?;
            if let Some(most) = file.most.filter(|most| !(1..=RECORDS_MOST).contains(most)) {
                let why = format!("most = {most}");
                return Err(Refused::File { name: file.name.clone(), why });
            }
        }
        for data in &self.data {
            let file = self.files.iter().find(|file| file.name == data.file);
            let (Some(file), Some(part)) = (file, self.part(&data.part)) else { continue };
            if data.form == Form::Records && !part.bytes.is_multiple_of(file.longest.into()) {
                let why = format!("{}: {} % {}", data.part, part.bytes, file.longest);
                return Err(Refused::File { name: file.name.clone(), why });
            }
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What can stand in a path, in a URL and on a line of a log as it is.
pub(crate) fn is_name(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@#$".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && text.len() <= NAME_MOST && text.bytes().all(may)
}
