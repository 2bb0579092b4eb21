//! The shelf: the folder of a group's volume in which packages lie, used by whichever node runs the
//! group. What is done there is a list of steps, and a death may come after any of them.
//!
//! ```text
//! ID.coming/package.tar      copied, durable: staged
//! ID.coming/…                unpacked beside it, each part durable
//! ID/…                       one rename: whole
//! ID.going/…                 one rename: nothing any more
//! ```

mod step;

use std::fs::{self, File as OpenFile};
use std::io;
use std::path::{Path, PathBuf};

use tsugi_service_rules::package::File;

use crate::archive::{Examined, mode};
use crate::deployed::Deployed;
use crate::digest::Digest;
use crate::manifest::{MANIFEST, PACKAGE, Role};
use crate::refused::{Doing, Failed};

pub use step::Step;

/// The ending of a folder that is being filled.
const COMING: &str = "coming";
/// The ending of a folder that is being taken away.
const GOING: &str = "going";

/// A folder with packages.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// In this folder, which is made if its own folder is there.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, Failed> {
        match fs::create_dir(folder) {
            Ok(()) => {
                let above = folder.parent().unwrap_or(Path::new("/"));
                let synced = OpenFile::open(above).and_then(|above| above.sync_all());
                synced.map_err(Failed::at(Doing::Sync, above))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failed::at(Doing::MakeFolder, folder)(error)),
        }
        fs::read_dir(folder).map_err(Failed::at(Doing::Read, folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a package that is whole lies.
    #[must_use]
    pub fn place(&self, id: Digest) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn place_of(&self, id: Digest, ending: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ending}"))
    }

    /// The package's own file while it is staged.
    #[must_use]
    pub fn staged(&self, id: Digest) -> PathBuf {
        self.place_of(id, COMING).join(PACKAGE)
    }

    /// What there is of a package.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn found(&self, id: Digest) -> Result<File, Failed> {
        let there = |path: &Path| path.try_exists().map_err(Failed::at(Doing::Read, path));
        if there(&self.place(id))? {
            return Ok(File::Whole);
        }
        let staged = there(&self.place_of(id, COMING))? || there(&self.place_of(id, GOING))?;
        Ok(if staged { File::Staged } else { File::None })
    }

    /// Every package of which there is anything.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<Digest>, Failed> {
        let read = || -> io::Result<Vec<Digest>> {
            let mut out = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                let id = match name.split_once('.') {
                    Some((id, COMING | GOING)) => id,
                    Some(_) => continue,
                    None => &name,
                };
                out.extend(Digest::read(id));
            }
            out.sort_unstable();
            out.dedup();
            Ok(out)
        };
        read().map_err(Failed::at(Doing::Read, &self.folder))
    }

    /// Copies the file of a package, under a name that is not final. What was left of an earlier
    /// try is taken away before, by [`Shelf::deleting`].
    #[must_use]
    pub fn copying(&self, id: Digest, source: &Path) -> Vec<Step> {
        let coming = self.place_of(id, COMING);
        vec![
            Step::MakeFolder(coming.clone()),
            Step::Copy { from: source.to_owned(), to: coming.join(PACKAGE) },
            Step::Sync(coming),
            Step::Sync(self.folder.clone()),
        ]
    }

    /// Unpacks what was copied and examined, and gives it its final name.
    #[must_use]
    pub fn naming(&self, examined: &Examined) -> Vec<Step> {
        let coming = self.place_of(examined.id, COMING);
        let package = coming.join(PACKAGE);
        let mut folders: Vec<&str> = Vec::new();
        let mut steps = Vec::new();
        for (part, at) in examined.manifest.parts.iter().zip(&examined.places) {
            for folder in part.path.folders() {
                if !folders.contains(&folder) {
                    folders.push(folder);
                    steps.push(Step::MakeFolder(coming.join(folder)));
                }
            }
            steps.push(Step::Unpack {
                from: package.clone(),
                at: *at,
                part: part.clone(),
                mode: mode(examined.manifest.role(&part.path)),
                to: coming.join(part.path.as_str()),
            });
        }
        steps.push(Step::Write { to: coming.join(MANIFEST), text: examined.text.clone() });
        steps.push(Step::Remove(package));
        steps.extend(folders.iter().rev().map(|folder| Step::Sync(coming.join(folder))));
        steps.push(Step::Sync(coming.clone()));
        steps.push(Step::Rename { from: coming, to: self.place(examined.id) });
        steps.push(Step::Sync(self.folder.clone()));
        steps
    }

    /// Copies a package that lies on another shelf and was read again there: all that its services
    /// run, without its data, which are its volume's. Each part is hashed once more on its way.
    #[must_use]
    pub fn taking(&self, deployed: &Deployed) -> Vec<Step> {
        let Deployed { id, folder, manifest, .. } = deployed;
        let coming = self.place_of(*id, COMING);
        let mut steps = vec![Step::MakeFolder(coming.clone())];
        let mut folders: Vec<&str> = Vec::new();
        for part in &manifest.parts {
            let Some(role) = manifest.role(&part.path).filter(|role| *role != Role::Data) else {
                continue;
            };
            for inside in part.path.folders() {
                if !folders.contains(&inside) {
                    folders.push(inside);
                    steps.push(Step::MakeFolder(coming.join(inside)));
                }
            }
            steps.push(Step::Unpack {
                from: folder.join(part.path.as_str()),
                at: 0,
                part: part.clone(),
                mode: mode(Some(role)),
                to: coming.join(part.path.as_str()),
            });
        }
        // Its hash is the package's id: who reads it again looks at that.
        let (from, to) = (folder.join(MANIFEST), coming.join(MANIFEST));
        steps.push(Step::Copy { from, to });
        steps.extend(folders.iter().rev().map(|folder| Step::Sync(coming.join(folder))));
        steps.push(Step::Sync(coming.clone()));
        steps.push(Step::Rename { from: coming, to: self.place(*id) });
        steps.push(Step::Sync(self.folder.clone()));
        steps
    }

    /// Takes a package away, under whichever name it lies.
    ///
    /// # Errors
    /// It cannot be found out where it lies.
    pub fn deleting(&self, id: Digest) -> Result<Vec<Step>, Failed> {
        let mut steps = self.setting_aside(id)?;
        steps.extend(self.clearing(id));
        Ok(steps)
    }

    /// Takes the final name from a package that has it.
    ///
    /// # Errors
    /// It cannot be found out whether it does.
    pub fn setting_aside(&self, id: Digest) -> Result<Vec<Step>, Failed> {
        let going = self.place_of(id, GOING);
        Ok(match self.found(id)? {
            File::Whole => vec![
                Step::Clear(going.clone()),
                Step::Rename { from: self.place(id), to: going },
                Step::Sync(self.folder.clone()),
            ],
            File::None | File::Staged => Vec::new(),
        })
    }

    /// Takes away what lies there of a package under names that are not final.
    #[must_use]
    pub fn clearing(&self, id: Digest) -> Vec<Step> {
        vec![
            Step::Clear(self.place_of(id, GOING)),
            Step::Clear(self.place_of(id, COMING)),
            Step::Sync(self.folder.clone()),
        ]
    }
}
