//! How a manifest is written.

use tsugi_package::Manifest;

use super::draft;

#[test]
fn a_manifest_is_written_as_people_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let written = draft().write(&folder.path().join("p")).unwrap().manifest.written();
    let expected = include_str!("manifest.toml");
    assert_eq!(written, expected);
    assert_eq!(Manifest::read(expected.as_bytes()).unwrap().written(), expected);
}
