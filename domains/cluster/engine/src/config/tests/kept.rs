//! Volumes that their storage keeps for one node.

use super::*;

#[test]
fn a_volume_that_its_storage_keeps_needs_no_other_fence_and_one_beside_it_that_is_not_does() {
    let with = |line: &str| {
        let text = WHOLE.replace("fence = \"self\"\n", "");
        text.replace("mount = \"/data/pay\"", &format!("mount = \"/data/pay\"\n{line}"))
    };
    let kept = "reservation = \"scsi\"";
    let fence = |text: &str| spec(text).groups[&group("PAY")].fence;
    assert_eq!(fence(&with("")), FencePolicy::Confirmed);
    assert_eq!(fence(&with(kept)), FencePolicy::Lease);
    let open = "[[group.PAY.resource]]\nname = \"more\"\nkind = \"volume\"\n\
                source = \"/dev/vg1/more\"\nmount = \"/data/more\"\n";
    assert_eq!(fence(&(with(kept) + open)), FencePolicy::Confirmed, "one of two is not kept");
    let wrong = refused(&with("reservation = \"scsi3\""), Language::En);
    assert!(wrong.contains("reservation") && wrong.contains("\"scsi\""), "{wrong}");
    let unmounted = with(kept).replace("source = \"/dev/vg1/pay\"\n", "");
    let problems = refused(&unmounted, Language::En);
    assert!(problems.contains("reservation") && problems.contains("source"), "{problems}");
    let mirrored = refused(&with(&format!("{kept}\ndrbd = \"r0\"")), Language::En);
    assert!(mirrored.contains("reservation") && mirrored.contains("drbd"), "{mirrored}");
}

#[test]
fn what_an_older_version_would_take_for_not_there_is_known_of_a_configuration() {
    let with = |line: &str| {
        let text = WHOLE.replace("fence = \"self\"\n", "");
        text.replace("mount = \"/data/pay\"", &format!("mount = \"/data/pay\"\n{line}"))
    };
    assert_eq!(spec(WHOLE).settings(), 0);
    assert_eq!(spec(&with("reservation = \"scsi\"")).settings(), 1);
    assert_eq!(spec(&with("drbd = \"r0\"")).settings(), 0);
    let mirror =
        with("drbd = \"r0\"").replace("[group.PAY]\n", "[group.PAY]\nfence = \"mirror\"\n");
    assert_eq!(spec(&mirror).settings(), 1);
}
