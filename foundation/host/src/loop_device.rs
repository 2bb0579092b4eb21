//! Loop devices: an image file as a block device, with direct I/O, gone when it is unmounted.
#![expect(unsafe_code, reason = "ioctls of the loop driver")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4c82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4c0a;
/// The device frees itself at its last close, so nothing is left after a crash.
const AUTOCLEAR: u32 = 4;
const DIRECT_IO: u32 = 16;
/// `struct loop_config` of the kernel: the file, a block size, 232 bytes of `loop_info64`.
const CONFIG_BYTES: usize = 304;
const FLAGS_AT: usize = 60;
const TRIES: u32 = 16;

/// Attaches `image` to a free loop device. The device stays for as long as it is open or
/// mounted.
///
/// # Errors
/// The call that failed.
pub fn attach(image: &Path) -> io::Result<(PathBuf, File)> {
    // The driver reads and writes through this descriptor; without O_DIRECT the page cache of
    // the image would keep what the file system believes to be on the disk.
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_DIRECT);
    let backing = options.open(image)?;
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    for _ in 0..TRIES {
        // SAFETY: this ioctl takes no argument.
        let number = Errno::result(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) })?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut config = [0_u8; CONFIG_BYTES];
        config[..4].copy_from_slice(&backing.as_raw_fd().cast_unsigned().to_ne_bytes());
        config[FLAGS_AT..FLAGS_AT + 4].copy_from_slice(&(AUTOCLEAR | DIRECT_IO).to_ne_bytes());
        // SAFETY: the ioctl reads exactly CONFIG_BYTES from the array, which lives for the call.
        let set = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, config.as_ptr()) };
        match Errno::result(set) {
            Ok(_) => return Ok((path, device)),
            // Another process took the same free device first.
            Err(Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EBUSY.into())
}

/// The image behind a loop device, given its number.
#[must_use]
pub fn image_of(device: (u32, u32)) -> Option<PathBuf> {
    let path = format!("/sys/dev/block/{}:{}/loop/backing_file", device.0, device.1);
    let text = std::fs::read_to_string(path).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}
