//! To be furnished: see the room's entry page.
