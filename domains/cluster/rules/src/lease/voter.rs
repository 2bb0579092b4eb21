//! The promising side of the lease.
