//! What this machine could do if only its disk had to work.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Figure;

/// How often a second 4 KiB can be written and synced in `dir`.
pub fn syncs_per_second(dir: &Path) -> f64 {
    let file = std::fs::File::create(dir.join("limit")).expect("the directory is ours");
    let block = [7_u8; 4096];
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all_at(&block, count % 1024 * 4096).expect("there is room");
        file.sync_data().expect("the disk works");
        count += 1;
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// The figure beside what the disk could do right before and right after it, whichever is more:
/// on a shared machine the limit of another moment may lie below what was just measured.
pub fn beside(figure: Figure, before: f64, dir: &Path) -> Figure {
    let limit_per_s = before.max(syncs_per_second(dir));
    Figure { limit_per_s, ..figure }
}
