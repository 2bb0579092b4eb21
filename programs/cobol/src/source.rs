//! What is seen of a module before it is loaded: the names that it imports.

use object::elf::FileHeader64;
use object::read::elf::{ElfFile, FileHeader as _};
use object::{Endianness, Object, ObjectSymbol};
use thiserror::Error;
use tsugi_record::module::{Foreign, foreign, symbol};
pub use tsugi_record::module::{HANDLER, OPTIONS};

/// A module as it lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Why a module is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModuleRefused {
    /// It is no shared library of this machine.
    #[error("it is no shared library: {0}")]
    NoLibrary(String),
    /// GnuCOBOL has not made it.
    #[error("it is no module of GnuCOBOL: it does not use libcob")]
    NotCobol,
    /// It would open files without our handler.
    #[error("it imports {0}: it was compiled without the file handler; deploy its source")]
    WithoutHandler(String),
    /// It does not have the entry that it is to be called by.
    #[error("it has no entry {0}")]
    NoEntry(String),
}

impl Module {
    /// Reads the names.
    ///
    /// # Errors
    /// The bytes are no shared library.
    pub fn read(bytes: &[u8]) -> Result<Self, ModuleRefused> {
        let wrong = |error: object::Error| ModuleRefused::NoLibrary(error.to_string());
        let head = FileHeader64::<Endianness>::parse(bytes).map_err(wrong)?;
        let endian = head.endian().map_err(wrong)?;
        if head.e_type(endian) != object::elf::ET_DYN {
            return Err(ModuleRefused::NoLibrary("it is a file of another kind".to_owned()));
        }
        let file = ElfFile::<FileHeader64<Endianness>>::parse(bytes).map_err(wrong)?;
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for symbol in file.dynamic_symbols() {
            let name = symbol.name().map_err(wrong)?.to_owned();
            let names = if symbol.is_undefined() { &mut imports } else { &mut exports };
            names.push(name);
        }
        Ok(Self { imports, exports })
    }

    /// Whether it has an entry, by the name that its source gives it.
    #[must_use]
    pub fn has(&self, entry: &str) -> bool {
        self.exports.contains(&symbol(entry))
    }

    /// The names that it takes from elsewhere: what it can reach beside the store.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether it was compiled as it has to be.
    ///
    /// # Errors
    /// The first name that says otherwise.
    pub fn check(&self) -> Result<(), ModuleRefused> {
        match foreign(&self.imports) {
            None => Ok(()),
            Some(Foreign::NotCobol) => Err(ModuleRefused::NotCobol),
            Some(Foreign::Direct(name) | Foreign::OtherHandler(name)) => {
                Err(ModuleRefused::WithoutHandler(name.to_owned()))
            }
        }
    }
}
