//! Compares this node's own configuration file with the applied one: a file is a proposal, and a
//! node whose file differs says so and runs the applied one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tsugi_cluster_rules::record::AppliedConfig;

use crate::config;
use crate::standing::{OtherFile, Standing};

/// How often it is looked whether the file has changed.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// What tells cheaply whether a comparison would come out as before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    applied: u64,
    file: Option<(u64, SystemTime)>,
}

/// Compares until the agent ends, and puts what it finds into the picture.
pub(super) async fn compare(file: PathBuf, picture: watch::Sender<Arc<Standing>>, look: Duration) {
    let mut last = None;
    loop {
        let applied = picture.borrow().record.config.clone();
        if let Some(applied) = applied {
            let mark = Mark { applied: applied.version, file: mark(&file) };
            if last.as_ref() != Some(&mark) {
                let path = file.clone();
                let found = tokio::task::spawn_blocking(move || other(&path, &applied)).await;
                if let Ok(found) = found {
                    picture.send_if_modified(|standing| note(standing, found));
                    last = Some(mark);
                }
            }
        }
        tokio::time::sleep(look).await;
    }
}

fn mark(file: &Path) -> Option<(u64, SystemTime)> {
    let known = std::fs::metadata(file).ok()?;
    Some((known.len(), known.modified().ok()?))
}

fn note(standing: &mut Arc<Standing>, found: Option<OtherFile>) -> bool {
    let is_news = standing.other_file != found;
    if is_news {
        *standing = Arc::new(Standing { other_file: found, ..Standing::clone(standing) });
    }
    is_news
}

/// The file, if it says something else than the applied configuration. One that is not there, or
/// that this user may not read, says nothing; other comments are no difference.
fn other(path: &Path, applied: &AppliedConfig) -> Option<OtherFile> {
    let text = std::fs::read_to_string(path).ok()?;
    let hash = config::hash(&text);
    let same = hash == applied.hash
        || (config::read(&text).is_ok() && config::differences(&applied.text, &text).is_empty());
    (!same).then(|| OtherFile { path: path.to_path_buf(), hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::view::scenes::{FILE, applied};

    #[test]
    fn a_file_that_says_something_else_is_told_and_other_comments_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tsugi.toml");
        let config = applied(FILE);
        assert_eq!(other(&path, &config), None, "there is none");
        for same in [FILE.to_owned(), format!("# by hand\n{FILE}")] {
            std::fs::write(&path, same).unwrap();
            assert_eq!(other(&path, &config), None);
        }
        for different in [FILE.replace("10.0.0.9/24", "10.0.0.8/24"), "no [toml".to_owned()] {
            std::fs::write(&path, &different).unwrap();
            let found = other(&path, &config).expect("it differs");
            assert_eq!((found.path, found.hash), (path.clone(), config::hash(&different)));
        }
    }

    #[tokio::test]
    async fn what_is_found_is_in_the_picture_until_the_file_is_as_applied() {
        use crate::control::view::scenes::{record, standing};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tsugi.toml");
        let (picture, mut seen) = watch::channel(Arc::new(standing(record())));
        std::fs::write(&path, FILE.replace("10.0.0.9/24", "10.0.0.18/24")).unwrap();
        tokio::spawn(compare(path.clone(), picture, Duration::from_millis(2)));
        seen.wait_for(|s| s.other_file.is_some()).await.unwrap();
        let differs = seen.borrow().differing_file().map(|(p, v)| (p.to_owned(), v));
        assert_eq!(differs, Some((path.clone(), 1)));
        std::fs::write(&path, FILE).unwrap();
        seen.wait_for(|s| s.other_file.is_none()).await.unwrap();
    }
}
