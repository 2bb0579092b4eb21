//! What a shared object says of itself before anybody loads it: which names it has and needs, and
//! of what it was compiled.

use object::elf::FileHeader64;
use object::read::elf::{ElfFile, FileHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tsugi_record::module::{ENTERED, Foreign, OPTIONS, foreign};
pub use tsugi_record::module::{HANDLER, symbol};

use crate::digest::Digest;
use crate::manifest::Module;

/// What a library of services exports.
pub const LIBRARY_ENTRY: &str = "tsugi_service_at";

/// What a program compiled by us needs only for what a source is refused for.
const BYPASSES: [&str; 25] = [
    "cob_file_sort_using",
    "cob_file_sort_using_extfh",
    "cob_file_sort_giving",
    "cob_file_sort_giving_extfh",
    "cob_delete_file",
    "cob_unlock_file",
    "cob_sys_system",
    "cob_sys_open_file",
    "cob_sys_create_file",
    "cob_sys_read_file",
    "cob_sys_write_file",
    "cob_sys_close_file",
    "cob_sys_flush_file",
    "cob_sys_delete_file",
    "cob_sys_copy_file",
    "cob_sys_rename_file",
    "cob_sys_check_file_exist",
    "cob_sys_file_info",
    "cob_sys_file_delete",
    "cob_sys_copyfile",
    "cob_sys_create_dir",
    "cob_sys_delete_dir",
    "cob_sys_change_dir",
    "cob_sys_mkdir",
    "cob_sys_chdir",
];

/// A shared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    imports: Vec<String>,
    exports: Vec<String>,
    seal: Option<Vec<u8>>,
}

/// Why a shared object is refused. Numbered for ever; the first that holds is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum NoModule {
    /// 1 It is no shared object of a machine of 64 bits.
    #[error("1 it is no shared object: {says}")]
    NoObject {
        /// What is wrong.
        says: String,
    },
    /// 2 GnuCOBOL has not made it.
    #[error("2 GnuCOBOL has not made it: it does not need {ENTERED}")]
    NotCobol,
    /// 3 It opens, reads or writes files without the handler: it was compiled elsewhere.
    #[error("3 it needs {name}: it was compiled without the file handler, deploy its source")]
    WithoutHandler {
        /// The name that it needs.
        name: String,
    },
    /// 4 It was compiled for another file handler.
    #[error("4 it needs {name} and not {HANDLER}: it was compiled for another file handler")]
    OtherHandler {
        /// The name that it needs.
        name: String,
    },
    /// 5 It reaches files, or the system, beside the handler.
    #[error("5 it needs {name}, which goes past the file handler")]
    Bypass {
        /// The name that it needs.
        name: String,
    },
    /// 6 It does not have the entry that it is to be called by.
    #[error("6 it has no entry {entry}")]
    NoEntry {
        /// The entry.
        entry: String,
    },
    /// 7 It was not compiled by tsugi from the source that its interface was made from, with the
    /// options of its manifest.
    #[error("7 it was not compiled from this source and with these options: its seal is {found}")]
    OtherSource {
        /// Its seal; empty if it has none.
        found: String,
    },
}

impl Object {
    /// Reads it.
    ///
    /// # Errors
    /// It is no shared object.
    pub fn read(bytes: &[u8]) -> Result<Self, NoModule> {
        let no = |says: String| NoModule::NoObject { says };
        let wrong = |error: object::Error| no(error.to_string());
        let head = FileHeader64::<Endianness>::parse(bytes).map_err(wrong)?;
        let endian = head.endian().map_err(wrong)?;
        if head.e_type(endian) != object::elf::ET_DYN {
            return Err(no("it is a file of another kind".to_owned()));
        }
        let file = ElfFile::<FileHeader64<Endianness>>::parse(bytes).map_err(wrong)?;
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for symbol in file.dynamic_symbols() {
            let name = symbol.name().map_err(wrong)?.to_owned();
            let names = if symbol.is_undefined() { &mut imports } else { &mut exports };
            names.push(name);
        }
        let seal = file.build_id().map_err(wrong)?.map(<[u8]>::to_vec);
        Ok(Self { imports, exports, seal })
    }

    /// Whether it exports a name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.exports.iter().any(|export| export == name)
    }

    /// The names that it needs from elsewhere.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    fn needs(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import == name)
    }

    /// Whether it is a COBOL module that has this entry and reaches files through the handler only.
    ///
    /// # Errors
    /// Why it is not.
    pub fn reaches_only_the_handler(&self, entry: &str) -> Result<(), NoModule> {
        match foreign(&self.imports) {
            None => {}
            Some(Foreign::NotCobol) => return Err(NoModule::NotCobol),
            Some(Foreign::Direct(name)) => {
                return Err(NoModule::WithoutHandler { name: name.to_owned() });
            }
            Some(Foreign::OtherHandler(name)) => {
                return Err(NoModule::OtherHandler { name: name.to_owned() });
            }
        }
        if let Some(name) = BYPASSES.iter().find(|name| self.needs(name)) {
            return Err(NoModule::Bypass { name: (*name).to_owned() });
        }
        if self.has(&symbol(entry)) {
            Ok(())
        } else {
            Err(NoModule::NoEntry { entry: entry.to_owned() })
        }
    }

    /// Whether it was compiled from a source of this hash, as its manifest says.
    ///
    /// # Errors
    /// It was not.
    pub fn is_sealed(&self, module: &Module, source: Digest) -> Result<(), NoModule> {
        let found = self.seal.as_deref().unwrap_or_default();
        if found == seal(module, source).0 {
            return Ok(());
        }
        let found = found.iter().map(|byte| format!("{byte:02x}")).collect();
        Err(NoModule::OtherSource { found })
    }
}

/// What is put into a module when it is compiled, as its build id: the hash of all that it is made
/// of. It tells a module of another source or of other options; it is no signature.
#[must_use]
pub fn seal(module: &Module, source: Digest) -> Digest {
    let options = toml::to_string(&Options {
        entry: &module.entry,
        dialect: module.dialect,
        commits: module.commits,
        compiled: OPTIONS,
    });
    let options = options.expect("these are values that TOML has");
    let mut hash = Sha256::new();
    hash.update("tsugi module 1\n");
    hash.update(source.to_string());
    hash.update("\n");
    hash.update(options);
    Digest(hash.finalize().into())
}

#[derive(Serialize)]
struct Options<'a> {
    entry: &'a str,
    dialect: crate::manifest::Dialect,
    commits: crate::manifest::Commits,
    compiled: [&'a str; OPTIONS.len()],
}
