//! `config set` and `config unset`: one item of the file, checked before the file is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use tsugi_cluster_engine::config;
use tsugi_cluster_engine::config::item::{self, NoItem};
use tsugi_messages::{self as messages, phrase};
use tsugi_wire::control::How;
use tsugi_wire::control::report::Outlook;

use super::{change, checked_text, text, unread};
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};

/// What becomes of an item.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// It gets this value.
    Set(&'a str),
    /// It goes.
    Unset,
}

/// Changes one item of the file; a file that could not be applied then stays as it is.
pub fn edit(out: &Out, file: &Path, (key, what): (&str, Edit<'_>), how: How) -> Exit {
    let done = place_of(out, file).and_then(|file| {
        // Two changes at once would lose one; whoever edits by hand is not kept out.
        let _held = hold(&file).map_err(|error| not_written(out, &file, &error))?;
        let old = text(out, &file)?;
        let new = changed(out, (&file, &old), (key, what))?;
        if new == old {
            out.tell(&messages::config_item_unchanged(file.display()));
            return Ok(());
        }
        checked_text(out, &file, new.clone())?;
        show(out, &old, &new);
        match how {
            How::DryRun => out.tell(&messages::dry_run_changed_nothing(change::typed())),
            How::ForReal => {
                replace(&file, &new).map_err(|error| not_written(out, &file, &error))?;
                out.tell(&messages::config_item_written(file.display()));
            }
        }
        Ok(())
    });
    done.err().unwrap_or(Exit::Done)
}

/// The file itself: a link to it stays one.
fn place_of(out: &Out, file: &Path) -> Result<std::path::PathBuf, Exit> {
    fs::canonicalize(file).map_err(|error| unread(out, file, &error))
}

fn changed(
    out: &Out,
    (file, old): (&Path, &str),
    (key, what): (&str, Edit<'_>),
) -> Result<String, Exit> {
    let (new, absent) = match what {
        Edit::Set(value) => {
            (item::set(old, key, value), messages::config_item_no_place(file.display(), key))
        }
        Edit::Unset => (item::unset(old, key), messages::config_item_absent(file.display(), key)),
    };
    new.map_err(|none| match none {
        NoItem::Unreadable => match checked_text(out, file, old.to_owned()) {
            Ok(_) => Exit::Failed,
            Err(exit) => exit,
        },
        NoItem::NoKey => {
            let detail = phrase::usage_value(key, "KEY").text(out.language);
            out.tell(&messages::usage_wrong(detail, "tsugi config set --help"));
            Exit::Usage
        }
        NoItem::NoPlace => {
            out.tell(&absent);
            Exit::NotFound
        }
    })
}

fn show(out: &Out, old: &str, new: &str) {
    let outlook = Outlook { config: config::differences(old, new), ..Outlook::nothing() };
    match out.form {
        Form::Json => out.json(Schema::first("tsugi.outlook"), &Observed::here(), &outlook),
        Form::Text => out.lines(outlook.config.iter().map(|words| out.words(words))),
    }
}

fn not_written(out: &Out, file: &Path, error: &io::Error) -> Exit {
    out.tell(&messages::config_item_not_written(file.display(), error));
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

fn hold(file: &Path) -> io::Result<File> {
    let folder = File::open(folder(file))?;
    folder.lock()?;
    Ok(folder)
}

/// After a power loss there is the old file or the new one, with the owner and mode of the old.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder(file).join(format!(".{name}.{}", std::process::id()));
    let put = || {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        let ours = new.metadata()?;
        if (ours.uid(), ours.gid()) != (old.uid(), old.gid()) {
            fchown(&new, Some(old.uid()), Some(old.gid()))?;
        }
        new.set_permissions(old.permissions())?;
        new.sync_all()?;
        fs::rename(&beside, file)?;
        File::open(folder(file))?.sync_all()
    };
    put().inspect_err(|_| drop(fs::remove_file(&beside)))
}
