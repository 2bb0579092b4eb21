//! The asking side of the lease.
