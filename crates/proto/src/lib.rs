//! The Purse API as generated from `proto/`: messages, clients, servers and the descriptor set.
//!
//! Owns nothing else. Only the edge (server, client, command line) knows these types; the domain
//! and storage never see them.

/// `purse.v1`: wallets and grants.
#[allow(clippy::all, clippy::pedantic, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("purse.v1");
}

/// `purse.testing.v1`: the test clock.
pub mod testing {
    /// `purse.testing.v1`: the test clock.
    #[allow(clippy::all, clippy::pedantic, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("purse.testing.v1");
    }
}

/// All descriptors, imports included, for reflection and for rendering messages as JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
