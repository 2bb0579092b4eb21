//! What this machine could do if only its disk had to work.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Figure;

/// How often a second 4 KiB can be written and synced in `dir`.
pub fn syncs_per_second(dir: &Path) -> f64 {
    syncs(dir, Duration::from_secs(1)).per_s
}

/// 4 KiB written and synced in `dir`, one after the other for `span`.
pub fn syncs(dir: &Path, span: Duration) -> Figure {
    let file = std::fs::File::create(dir.join("limit")).expect("the directory is ours");
    let block = [7_u8; 4096];
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < span {
        let at = Instant::now();
        file.write_all_at(&block, times.len() as u64 % 1024 * 4096).expect("there is room");
        file.sync_data().expect("the disk works");
        times.push(at.elapsed());
    }
    Figure::of("fdatasync of 4 KiB", 1, times, began.elapsed())
}

/// The figure beside what the disk could do right before and right after it, whichever is more:
/// on a shared machine the limit of another moment may lie below what was just measured.
pub fn beside(figure: Figure, before: f64, dir: &Path) -> Figure {
    let limit_per_s = before.max(syncs_per_second(dir));
    Figure { limit_per_s, ..figure }
}
